"""Downloads MIMII's archives and unpacks them. Every file is whole or not there, and a second call goes on."""

import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import stat
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from time import sleep
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urljoin, urlsplit

from filelock import FileLock, Timeout
from tqdm import tqdm

from mimii.errors import UserError

RECORD_URL = "https://zenodo.org/api/records/3384388"
SNRS = {"6dB": "6_dB", "0dB": "0_dB", "min6dB": "-6_dB"}  # the directory's name, and how an archive's name begins
MACHINE_TYPES = ("fan", "pump", "slider", "valve")

TIMEOUT = 60.0  # [s] without a byte
RETRIES = 8  # failures in a row, with nothing received between them, until a download is given up
LONGEST_WAIT = 60.0  # [s] before a retry; the first wait is 1 s and each one doubles it
PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
BLOCK = 2**20  # [bytes] that are in memory at a time
MAX_RECORD_SIZE = 2**24  # [bytes]; Zenodo's record of MIMII has some 10,000

Result = TypeVar("Result")


@dataclass(frozen=True)
class Archive:
    """One of MIMII's archives: a machine type at an SNR.

    Attributes
    ----------
    snr, machine_type : str
        From `SNRS` and `MACHINE_TYPES`.
    """

    snr: str
    machine_type: str

    @property
    def name(self) -> str:
        """The file's name, ``-6_dB_fan.zip`` say."""
        return f"{SNRS[self.snr]}_{self.machine_type}.zip"


def archives(snrs: Iterable[str] | None = None, machine_types: Iterable[str] | None = None) -> list[Archive]:
    """MIMII's archives of the wanted SNRs and machine types; None stands for all of them."""
    return [
        Archive(snr, machine_type)
        for snr in SNRS
        for machine_type in MACHINE_TYPES
        if (snrs is None or snr in snrs) and (machine_types is None or machine_type in machine_types)
    ]


# --- download ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RemoteFile:
    """A file of a record.

    Attributes
    ----------
    name, url : str
    size : int [bytes]
    md5 : str
        32 hexadecimal digits.
    """

    name: str
    url: str
    size: int
    md5: str


class _PassingError(Exception):
    """A request failed in a way that may pass; the message says how.

    Attributes
    ----------
    answered : bool
        A server was reached.
    wait : float [s]
        How long it asks to be left alone.
    """

    def __init__(self, message: str, *, answered: bool, wait: float = 0.0):
        super().__init__(message)
        self.answered = answered
        self.wait = wait


def download(base_dir: Path, wanted: Sequence[Archive], url: str = RECORD_URL) -> None:
    """Download archives into ``base_dir``; what is there is checked, and a part of a file is gone on with.

    A file bears its name only when its MD5 is right; until then it is ``<name>.part``.

    Parameters
    ----------
    base_dir : Path
        Is made where it is missing.
    wanted : sequence of Archive
    url : str
        Record of Zenodo's API, or a JSON file like it: names, sizes, MD5 sums and links of the files. A link may be
        relative to it.

    Raises
    ------
    UserError
        The server can't be reached or has not what is wanted, the disk is full, or a file is not what the record
        says. What is downloaded stays, but for a file with a wrong MD5.
    """
    remote_files = _wanted_files(read_record(url), [archive.name for archive in wanted], url)
    with _only_one(base_dir, "download"):
        missing = []
        for remote in remote_files:
            size = _size(base_dir / remote.name)
            if size is None:
                missing.append(remote)
            elif size != remote.size:
                raise UserError(
                    f"{base_dir / remote.name} has {size:,} bytes, not {remote.size:,}, and was not written by this "
                    "script: remove it and give the same command again"
                )
        _check_space(base_dir, sum(remote.size - _resumable(_part(base_dir, remote), remote) for remote in missing))
        for remote in remote_files:
            if remote in missing:
                _download_file(remote, base_dir)
            elif _md5(base_dir / remote.name) != remote.md5:
                raise UserError(
                    f"{base_dir / remote.name} has another MD5 than {remote.md5} and was not written by this script: "
                    "remove it and give the same command again"
                )
            done = "downloaded" if remote in missing else "already there"
            print(f"{remote.name}: {done}, {_human(remote.size)}, MD5 is right")


def read_record(url: str) -> dict[str, RemoteFile]:
    """Names, sizes, MD5 sums and links of the files of a record.

    Parameters
    ----------
    url : str
        See `download`.

    Returns
    -------
    dict of str to RemoteFile

    Raises
    ------
    UserError
        The server can't be reached, or what it gives is no record.
    """
    _check_url(url)

    def fetch() -> bytes:
        with _open(url) as response:
            return b"".join(_blocks(response, MAX_RECORD_SIZE))

    content = _patiently(fetch, "the list of files", insist=False)
    try:
        files = json.loads(content)["files"]
        if isinstance(files, dict):  # newer answers of Zenodo: {"entries": {name: file}} or {"entries": [file]}
            files = files["entries"]
            files = list(files.values()) if isinstance(files, dict) else files
        return {file["key"]: _remote_file(file, url) for file in files}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{url} is not a record of Zenodo's API: --url must name a JSON document such as {RECORD_URL}"
        ) from error


def _remote_file(file: dict[str, Any], base_url: str) -> RemoteFile:
    link = file["links"].get("content") or file["links"]["self"]
    md5 = file["checksum"].removeprefix("md5:").lower()
    if not re.fullmatch("[0-9a-f]{32}", md5):
        raise ValueError(f"{md5} is no MD5")
    if not (isinstance(file["size"], int) and file["size"] > 0):
        raise ValueError(f"{file['size']} is no size")
    return RemoteFile(file["key"], urljoin(base_url, link), file["size"], md5)


def _wanted_files(record: dict[str, RemoteFile], names: Sequence[str], url: str) -> list[RemoteFile]:
    if absent := [name for name in names if name not in record]:
        raise UserError(f"the record {url} has no {', '.join(absent)}: choose others, or name another --url")
    for name in names:
        _check_url(record[name].url)
    return [record[name] for name in names]


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, say
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise UserError(f"{url!r} is not an address of the form http://host/path or https://host/path")


def _download_file(remote: RemoteFile, base_dir: Path) -> None:
    part = _part(base_dir, remote)
    with _bar(remote.name, remote.size) as bar:
        _patiently(lambda: _fetch(remote, part, bar), remote.name, progress=lambda: _size(part) or 0)
    if _md5(part) != remote.md5:
        with _writing(part):
            part.unlink()
        raise UserError(
            f"{remote.name} arrived damaged (its MD5 is not {remote.md5}) and was removed: give the same command again"
        )
    with _writing(part):
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, base_dir / remote.name)


def _fetch(remote: RemoteFile, part: Path, bar: tqdm) -> None:
    """Request what ``part`` lacks and append it; raises `_PassingError` where less than that came."""
    offset = _resumable(part, remote)
    if offset == remote.size:
        bar.update(offset - bar.n)
        return
    with _open(remote.url, offset) as response:
        start, total = _extent(response)
        if start > offset:
            raise UserError(f"{remote.url} begins at byte {start} where {offset} was asked for: name another --url")
        if total not in (None, remote.size):
            raise UserError(
                f"{remote.url} gives a file of {total} bytes where the record says {remote.size}: a proxy or a login "
                "page may stand between; open the address in a browser, or name another --url"
            )
        with _writing(part), open(part, "rb+" if offset else "wb") as file:
            file.seek(start)  # 0, where the server ignores ranges and begins anew
            file.truncate()
            bar.update(start - bar.n)
            for block in _blocks(response, remote.size - start):
                file.write(block)
                bar.update(len(block))
    if (size := _size(part) or 0) < remote.size:
        raise _PassingError(f"the connection ended at {_human(size)} of {_human(remote.size)}", answered=True)


class _HTTPRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, response, code, message, headers, url):
        _check_url(url)
        return super().redirect_request(request, response, code, message, headers, url)


# Knows http and https and nothing else; the default opener reads local files and FTP too.
_OPENER = urllib.request.OpenerDirector()
for _handler in (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    _HTTPRedirection,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPErrorProcessor,
):
    _OPENER.add_handler(_handler())


def _open(url: str, offset: int = 0) -> http.client.HTTPResponse:
    """Request a file from a byte on.

    Raises
    ------
    _PassingError
        What may pass: no connection, a server that is overloaded.
    UserError
        What will not.
    """
    headers = {"User-Agent": "prepare_dataset.py"} | ({"Range": f"bytes={offset}-"} if offset else {})
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - `_check_url` and `_OPENER` admit HTTP alone
    try:
        return _OPENER.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            answer = f"{urlsplit(url).hostname} answers {error.code} {error.reason}"
            if error.code in PASSING_STATUS:
                wait = error.headers.get("Retry-After", "")
                raise _PassingError(answer, answered=True, wait=float(wait) if wait.isdecimal() else 0.0) from error
            raise UserError(f"{answer} to {url}: try it in a browser, or name another --url") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise UserError(f"{url} has no certificate that can be trusted: {reason.verify_message}") from error
        raise _PassingError(f"no connection to {urlsplit(url).netloc} ({_reason(reason)})", answered=False) from error


def _extent(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Where in the file the response begins, and how long the file is, as far as the server says so [bytes]."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if content_range is None:
            raise _PassingError("the server sends a part of the file without saying which", answered=True)
        start, total = content_range.groups()
        return int(start), None if total == "*" else int(total)
    return 0, response.length


def _blocks(response: http.client.HTTPResponse, most: int) -> Iterator[bytes]:
    """Give what is received, at most so many bytes, and end where the connection does."""
    while most > 0:
        try:
            block = response.read1(min(BLOCK, most))
        except (OSError, http.client.HTTPException) as error:
            raise _PassingError(f"the connection broke ({_reason(error)})", answered=True) from error
        if not block:
            return
        most -= len(block)
        yield block


def _patiently(
    action: Callable[[], Result], what: str, *, progress: Callable[[], int] = lambda: 0, insist: bool = True
) -> Result:
    """Do ``action`` until it succeeds, and wait longer after each `_PassingError`.

    Parameters
    ----------
    action : callable
    what : str
        What it gets, for the messages.
    progress : callable
        How far it is; failures are counted anew where that is farther than ever before.
    insist : bool
        Whether to try again where no server could be reached.
    """
    farthest = progress()
    failures = 0
    while True:
        try:
            return action()
        except _PassingError as failure:
            if not failure.answered and not insist:
                raise UserError(f"{failure}: check the network, or name another server with --url") from failure
            if progress() > farthest:
                farthest = progress()
                failures = 0
            if failures == RETRIES:
                raise UserError(
                    f"{what}: {failure}, {RETRIES + 1} times in a row; what has come is kept, give the same "
                    "command again later"
                ) from failure
            wait = min(max(2.0**failures, failure.wait), LONGEST_WAIT)
            failures += 1
            tqdm.write(f"{what}: {failure}; again in {wait:.0f} s", file=sys.stderr)
            sleep(wait)


def _part(base_dir: Path, remote: RemoteFile) -> Path:
    return base_dir / f"{remote.name}.part"


def _resumable(part: Path, remote: RemoteFile) -> int:
    """How many bytes of a partial file are of use: none, where it is longer than the whole file."""
    size = _size(part) or 0
    return size if size <= remote.size else 0


def _md5(path: Path) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    with _bar(f"checking {path.name}", _size(path) or 0) as bar:
        for block in _read(partial(open, path, "rb"), path):
            md5.update(block)
            bar.update(len(block))
    return md5.hexdigest()


# --- extract ----------------------------------------------------------------------------------------------------


def extract(base_dir: Path, wanted: Sequence[Archive], *, remove_archives: bool = False) -> None:
    """Unpack the archives that are in ``base_dir`` into its ``6dB/``, ``0dB/`` and ``min6dB/``.

    Members that are there with the right size and CRC are left alone; each other one is written whole or not at all.

    Parameters
    ----------
    base_dir : Path
    wanted : sequence of Archive
        Those that are not there are named, unless none of them is.
    remove_archives : bool
        Whether to remove each archive when everything in it is extracted.

    Raises
    ------
    UserError
        No archive is there, one is damaged or has members that belong elsewhere, or the disk is full. What is
        extracted stays.
    """
    absent = [archive.name for archive in wanted if _size(base_dir / archive.name) is None]
    if len(absent) == len(wanted):
        which = absent[0] if len(absent) == 1 else f"archive of MIMII ({absent[0]} ... {absent[-1]})"
        raise UserError(f"there is no {which} in {base_dir}: get it with the subcommand download")
    with _only_one(base_dir, "extract"):
        for archive in wanted:
            if archive.name in absent:
                continue
            path = base_dir / archive.name
            written, kept = _extract_archive(path, base_dir / archive.snr)
            print(f"{archive.name}: {written:,} files written to {base_dir / archive.snr}, {kept:,} were there already")
            if remove_archives:
                _flush_to_disk()
                with _writing(path):
                    path.unlink()
                print(f"{archive.name}: removed")
    if absent:
        print(f"not there: {', '.join(absent)}")


def _extract_archive(path: Path, destination: Path) -> tuple[int, int]:
    """Unpack one archive; returns how many members were written, and how many were there already."""
    written = kept = 0
    with _reading_archive(path), zipfile.ZipFile(path) as archive:
        members = _members(archive, path)
        targets = [destination / member.filename for member in members]
        total = sum(member.file_size for member in members)
        with _writing(destination):
            destination.mkdir(exist_ok=True)
        _check_space(
            destination,
            sum(m.file_size for m, target in zip(members, targets, strict=True) if _size(target) != m.file_size),
        )
        with _bar(path.name, total) as bar:
            for member, target in zip(members, targets, strict=True):
                if _is_extracted(member, target):
                    kept += 1
                else:
                    _extract_member(archive, member, target)
                    written += 1
                bar.update(member.file_size)
    return written, kept


def _members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The files in an archive.

    Raises
    ------
    UserError
        One of them would leave the directory that the archive is unpacked into, or is no plain file.
    """
    for member in archive.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)  # as on Unix; 0 where the archive was made elsewhere
        name = PurePosixPath(member.filename)
        # a backslash or a colon is a directory, a drive or a stream on Windows
        leaves = name.is_absolute() or ".." in name.parts or not name.parts or set("\\:") & set(member.filename)
        if leaves or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(
                f"{path} was not unpacked: its member {member.filename!r} could write outside the directory, which "
                "none of MIMII's does; remove the archive and download it again"
            )
    return [member for member in archive.infolist() if not member.is_dir()]


def _is_extracted(member: zipfile.ZipInfo, target: Path) -> bool:
    if _size(target) != member.file_size:
        return False
    crc = 0
    for block in _read(partial(open, target, "rb"), target):
        crc = zlib.crc32(block, crc)
    return crc == member.CRC


def _extract_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    # the name is always the same, so that what a killed run leaves is used up by the next; hidden, so no recording
    temporary = target.with_name(f".{target.name}.part")
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                for block in _read(partial(archive.open, member), Path(archive.filename)):
                    file.write(block)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _reading_archive(path: Path) -> Iterator[None]:
    """Say in one line what is wrong with an archive."""
    try:
        yield
    except UserError:
        raise
    except RuntimeError as error:  # NotImplementedError too: encrypted, or compressed in a way that zipfile lacks
        raise UserError(f"{path} can't be unpacked here ({_reason(error)}): try it with 7z.sh") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    except Exception as error:  # damage shows as BadZipFile, zlib.error, LZMAError, EOFError, ValueError ...
        raise UserError(
            f"{path} is damaged ({_reason(error)}): remove it, download it again and extract again; "
            "what is extracted stays"
        ) from error


def _flush_to_disk() -> None:
    """See to it that what was written survives a power failure, before its source is removed."""
    if hasattr(os, "sync"):  # not on Windows
        os.sync()


# --- both -------------------------------------------------------------------------------------------------------


@contextmanager
def _only_one(base_dir: Path, what: str) -> Iterator[None]:
    """Two processes would write the same files."""
    with _writing(base_dir):
        base_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(base_dir / f".{what}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(f"another process is at work in {base_dir} ({what}): wait until it has ended") from error
    except OSError as error:
        raise UserError(f"cannot write {base_dir}: {_reason(error)}; choose another --base_dir") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say in one line why a file can't be written. Errors of its source must not pass as an `OSError`."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {_reason(error)}; what is done is kept: free space or choose another --base_dir, "
            "and give the same command again"
        ) from error


def _read(opened: Callable[[], BinaryIO], path: Path) -> Iterator[bytes]:
    """Give a file block by block; `UserError` where it can't be read."""
    try:
        with opened() as file:
            while block := file.read(BLOCK):
                yield block
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot read {path}: {_reason(error)}; if it is damaged, remove it and give the command again")


def _check_space(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise UserError(
            f"{_human(needed)} are still to be written and {directory} has {_human(free)} free: free space, select "
            "less with --snr and --machine_type, or choose another --base_dir"
        )


def _size(path: Path) -> int | None:
    """Size of a file [bytes]; None where there is none."""
    try:
        status = path.stat()
    except OSError:  # where it is more than a missing file, reading or writing it will say so
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _human(size: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB" if size < 1000 else f"{size:,.0f} GB"


def _reason(error: Exception | str) -> str:
    """What an exception says, without its number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _bar(what: str, size: int) -> tqdm:
    """A bar for bytes, on a terminal."""
    return tqdm(
        total=size, desc=what, unit="B", unit_scale=True, disable=None, leave=False, dynamic_ncols=True, mininterval=0.5
    )
