"""Downloads MIMII's archives. Every file is whole or absent, and a second call goes on where the first one ended.

`requests` and `urllib3` speak HTTP: they connect, follow redirections, verify certificates, use proxies, wait and try
again. They don't resume a file whose connection broke in the middle; this module does, with ranges.
"""

import hashlib
import http.client
import json
import os
import re
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, ProtocolError

from mimii.data import disk
from mimii.data.mimii import RECORD_URL, Archive
from mimii.errors import UserError

TIMEOUT = 60.0  # [s] without a byte
RETRIES = 8  # failures in a row, with nothing received between them, until a download is given up
LONGEST_WAIT = 60.0  # [s] before a retry
TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)  # answers that may be others a little later
MAX_RECORD_SIZE = 2**24  # [bytes]; Zenodo's record of MIMII has some 10,000


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


def download(base_dir: Path, wanted: Sequence[Archive], url: str = RECORD_URL) -> None:
    """Download archives into ``base_dir``; complete files are checked, and partial ones are completed.

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
        The server can't be reached or lacks a file, the disk is full, or a file differs from what the record says.
        Whatever is downloaded stays, but for a file with a wrong MD5.
    """
    remote_files = _wanted_files(read_record(url), [archive.name for archive in wanted], url)
    with disk.only_process(base_dir, "download"):
        missing = []
        for remote in remote_files:
            size = disk.file_size(base_dir / remote.name)
            if size is None:
                missing.append(remote)
            elif size != remote.size:
                raise UserError(
                    f"{base_dir / remote.name} has {size:,} bytes, not {remote.size:,}, and was not written by this "
                    "script: remove it and give the same command again"
                )
        disk.check_space(base_dir, sum(remote.size - _resumable(_part(base_dir, remote), remote) for remote in missing))
        for remote in remote_files:
            if remote in missing:
                _download_file(remote, base_dir)
            elif _md5(base_dir / remote.name) != remote.md5:
                raise UserError(
                    f"{base_dir / remote.name} has another MD5 than {remote.md5} and was not written by this script: "
                    "remove it and give the same command again"
                )
            done = "downloaded" if remote in missing else "already there"
            print(f"{remote.name}: {done}, {disk.size_text(remote.size)}, MD5 is right")


# --- the record ---------------------------------------------------------------------------------------------------


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
        The server can't be reached, or its answer is no record.
    """
    _check_url(url)
    # A server that answers is asked again; where none can be reached the user learns it at once.
    retries = _Retries.of("the list of files", unreachable=0)
    try:
        with _session(retries) as session, _get(session, retries, url) as response:
            content = b"".join(_received(response, MAX_RECORD_SIZE))
    except (requests.RequestException, HTTPError) as error:
        raise UserError(
            f"{_no_connection(url, error)}: check the network, or name another server with --url"
        ) from error
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


# --- a file -------------------------------------------------------------------------------------------------------


def _download_file(remote: RemoteFile, base_dir: Path) -> None:
    part = _part(base_dir, remote)
    with disk.progress_bar(remote.name, remote.size) as bar:
        _complete(remote, part, bar)
    if _md5(part) != remote.md5:
        with disk.writing(part):
            part.unlink()
        raise UserError(
            f"{remote.name} arrived damaged (its MD5 is not {remote.md5}) and was removed: give the same command again"
        )
    with disk.writing(part):
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, base_dir / remote.name)


def _complete(remote: RemoteFile, part: Path, bar: tqdm) -> None:
    """Request what ``part`` lacks, over as many connections as it takes."""
    fresh = retries = _Retries.of(remote.name)
    longest = disk.file_size(part) or 0
    with _session(fresh) as session:
        while True:
            try:
                _fetch(remote, part, bar, session, fresh)
                return
            except _BrokenTransferError as failure:
                if (size := disk.file_size(part) or 0) > longest:  # bytes came: the failures are counted anew
                    longest, retries = size, fresh
                try:
                    retries = retries.increment("GET", remote.url, error=failure)
                except MaxRetryError:
                    raise fresh.given_up(str(failure)) from failure
                retries.sleep()
            except (requests.RequestException, HTTPError) as error:
                raise fresh.given_up(_no_connection(remote.url, error)) from error


class _BrokenTransferError(ProtocolError):
    """A connection ended before the end of the file; the message says how."""


def _fetch(remote: RemoteFile, part: Path, bar: tqdm, session: requests.Session, retries: "_Retries") -> None:
    """Request what ``part`` lacks and append it; raises `_BrokenTransferError` where less than that came."""
    offset = _resumable(part, remote)
    bar.update(offset - bar.n)
    if offset == remote.size:
        return
    with _get(session, retries, remote.url, offset) as response:
        start, total = _extent(response)
        if start > offset:
            raise UserError(f"{remote.url} begins at byte {start} where {offset} was asked for: name another --url")
        if total not in (None, remote.size):
            raise UserError(
                f"{remote.url} gives a file of {total} bytes where the record says {remote.size}: a proxy or a login "
                "page may stand between; open the address in a browser, or name another --url"
            )
        with disk.writing(part), open(part, "rb+" if offset else "wb") as file:
            file.seek(start)  # 0, where the server ignores ranges and begins anew
            file.truncate()
            bar.update(start - bar.n)
            try:
                for block in _received(response, remote.size - start):
                    file.write(block)
                    bar.update(len(block))
            except HTTPError as error:
                if not isinstance(_root(error), http.client.IncompleteRead):  # the size tells that, below
                    raise _BrokenTransferError(f"the connection broke ({disk.reason(_root(error))})") from error
    if (size := disk.file_size(part) or 0) < remote.size:
        raise _BrokenTransferError(f"the connection ended at {disk.size_text(size)} of {disk.size_text(remote.size)}")


def _part(base_dir: Path, remote: RemoteFile) -> Path:
    return base_dir / f"{remote.name}.part"


def _resumable(part: Path, remote: RemoteFile) -> int:
    """How many bytes of a partial file are of use: none, where it is longer than the whole file."""
    size = disk.file_size(part) or 0
    return size if size <= remote.size else 0


def _md5(path: Path) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    with disk.progress_bar(f"checking {path.name}", disk.file_size(path) or 0) as bar:
        for block in disk.blocks(path):
            md5.update(block)
            bar.update(len(block))
    return md5.hexdigest()


# --- HTTP ---------------------------------------------------------------------------------------------------------


class _Retries(Retry):
    """urllib3's retries, with a line on stderr for each wait: 1 s, then twice as long after each failure."""

    subject = ""  # the file that the messages name

    @classmethod
    def of(cls, subject: str, unreachable: int = RETRIES) -> "_Retries":
        """Retries of a request; `unreachable` is how many of them may follow from there being no connection."""
        retries = cls(
            total=RETRIES,
            connect=unreachable,
            read=unreachable,
            other=unreachable,
            status_forcelist=TRANSIENT_STATUS,
            raise_on_status=False,  # the last answer comes back when the retries are used up
        )
        retries.subject = subject
        return retries

    def new(self, **changes: Any) -> "_Retries":
        """A copy, as urllib3 makes one at each failure."""
        retries = super().new(**changes)
        retries.subject = self.subject
        return retries

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait before the next request, at least as long as the server asks for with Retry-After."""
        wait, failure = 2.0 ** (len(self.history) - 1), self.history[-1].error
        if response is not None:
            problem = f"the server answers {response.status} {response.reason}"
            with suppress(InvalidHeader):
                wait = max(wait, self.get_retry_after(response) or 0)
        elif isinstance(failure, Exception) and not isinstance(failure, _BrokenTransferError):
            problem = f"no connection ({disk.reason(_root(failure))})"
        else:
            problem = str(failure)
        wait = min(wait, LONGEST_WAIT)
        tqdm.write(f"{self.subject}: {problem}; again in {wait:.0f} s", file=sys.stderr)
        sleep(wait)

    def given_up(self, problem: str) -> UserError:
        """The error that ends a download after the last retry."""
        return UserError(
            f"{self.subject}: {problem}, {RETRIES + 1} times in a row; what has come is kept, give the same command "
            "again later"
        )


def _session(retries: _Retries) -> requests.Session:
    session = requests.Session()
    session.headers["User-Agent"] = "prepare_dataset.py"
    session.headers["Accept-Encoding"] = (
        "identity"  # sizes and ranges are those of the file, not of its compressed form
    )
    for scheme in ("http://", "https://"):  # and no other: a redirection to a local file is refused
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    return session


@contextmanager
def _get(session: requests.Session, retries: _Retries, url: str, offset: int = 0) -> Iterator[requests.Response]:
    """Request a file from a byte on.

    Raises
    ------
    requests.RequestException, urllib3.exceptions.HTTPError
        No server can be reached, and the retries are used up.
    UserError
        The server will not give the file, or its answers still say that it is overloaded when the retries are used up.
    """
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    try:
        response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
        raise UserError(
            f"{url} leads to what is not an address of the form http://host/path or https://host/path ({error})"
        ) from error
    except requests.TooManyRedirects as error:
        raise UserError(f"{url} leads to nothing but further addresses: name another --url") from error
    with response:
        if response.status_code not in (requests.codes.ok, requests.codes.partial_content):
            answer = f"{urlsplit(response.url).hostname} answers {response.status_code} {response.reason}"
            if response.status_code in TRANSIENT_STATUS:
                raise retries.given_up(answer)
            raise UserError(f"{answer} to {response.url}: try it in a browser, or name another --url")
        yield response


def _extent(response: requests.Response) -> tuple[int, int | None]:
    """Where in the file the response begins, and how long the file is, as far as the server says so [bytes]."""
    if response.status_code == requests.codes.partial_content:
        content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if content_range is None:
            raise _BrokenTransferError("the server sends a part of the file without saying which")
        start, total = content_range.groups()
        return int(start), None if total == "*" else int(total)
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _received(response: requests.Response, most: int) -> Iterator[bytes]:
    """Give the content as it arrives, at most so many bytes of it, and end where the connection does."""
    while most > 0:
        # read1, because a read would wait for a whole block and lose its beginning where the connection breaks
        block = response.raw.read1(min(disk.BLOCK, most), decode_content=False)
        if not block:
            return
        most -= len(block)
        yield block


def _no_connection(url: str, error: Exception) -> str:
    root = _root(error)
    if isinstance(root, ssl.SSLCertVerificationError):
        return f"{url} has no certificate that can be trusted ({root.verify_message})"
    return f"no connection to {urlsplit(url).netloc} ({disk.reason(root)})"


def _root(error: Exception) -> Exception:
    """The error that came first; requests and urllib3 wrap it several times."""
    for inner in (error.__cause__, getattr(error, "reason", None), *error.args):
        if isinstance(inner, Exception):
            return _root(inner)
    return error
