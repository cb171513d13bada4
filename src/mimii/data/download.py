"""Downloads archives. Every file is whole or absent, and a second call goes on where the first one ended."""

import hashlib
import http.client
import os
from collections.abc import Mapping
from pathlib import Path

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError, MaxRetryError

from mimii.data import disk, web
from mimii.data.archives import Archive
from mimii.data.records import RemoteFile
from mimii.errors import UserError


def download(base_dir: Path, wanted: Mapping[Archive, RemoteFile]) -> None:
    """Download archives; complete files are checked, and partial ones are completed.

    A file bears its name only when its MD5 is right; until then it is ``<name>.part``.

    Parameters
    ----------
    base_dir : Path
        Is made where it is missing.
    wanted : mapping of Archive to RemoteFile
        Where each file goes below ``base_dir``, and what a record says of it.

    Raises
    ------
    UserError
        The server can't be reached or lacks a file, the disk is full, or a file differs from what the record says.
        Whatever is downloaded stays, but for a file with a wrong MD5.
    """
    for remote in wanted.values():
        web.check_url(remote.url)
    targets = {base_dir / archive.path: remote for archive, remote in wanted.items()}
    with disk.only_process(base_dir, "download"):
        missing = []
        for target, remote in targets.items():
            size = disk.file_size(target)
            if size is None:
                missing.append(target)
            elif size != remote.size:
                raise UserError(
                    f"{target} has {size:,} bytes, not {remote.size:,}, and was not written by this script: remove it "
                    "and give the same command again"
                )
        disk.check_space(base_dir, sum(targets[path].size - _resumable(_part(path), targets[path]) for path in missing))
        for target, remote in targets.items():
            if target in missing:
                _download_file(remote, target)
            elif _md5(target) != remote.md5:
                raise UserError(
                    f"{target} has another MD5 than {remote.md5} and was not written by this script: remove it and "
                    "give the same command again"
                )
            done = "downloaded" if target in missing else "already there"
            print(f"{remote.name}: {done}, {disk.size_text(remote.size)}, MD5 is right")


def _download_file(remote: RemoteFile, target: Path) -> None:
    part = _part(target)
    with disk.writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
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
        os.replace(part, target)


def _complete(remote: RemoteFile, part: Path, bar: tqdm) -> None:
    """Request what ``part`` lacks, over as many connections as it takes."""
    fresh = retries = web.Retries.of(remote.name)
    longest = disk.file_size(part) or 0
    with web.open_session(fresh) as session:
        while True:
            try:
                _fetch(remote, part, bar, session, fresh)
                return
            except web.BrokenTransferError as failure:
                if (size := disk.file_size(part) or 0) > longest:  # bytes came: the failures are counted anew
                    longest, retries = size, fresh
                try:
                    retries = retries.increment("GET", remote.url, error=failure)
                except MaxRetryError:
                    raise fresh.given_up(str(failure)) from failure
                retries.sleep()
            except (requests.RequestException, HTTPError) as error:
                raise fresh.given_up(web.no_connection(remote.url, error)) from error


def _fetch(remote: RemoteFile, part: Path, bar: tqdm, session: requests.Session, retries: web.Retries) -> None:
    """Request what ``part`` lacks and append it; raises `web.BrokenTransferError` where less than that came."""
    offset = _resumable(part, remote)
    bar.update(offset - bar.n)
    if offset == remote.size:
        return
    with web.get(session, retries, remote.url, offset) as response:
        start, total = web.extent(response)
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
                for block in web.received(response, remote.size - start):
                    file.write(block)
                    bar.update(len(block))
            except HTTPError as error:
                if not isinstance(web.root(error), http.client.IncompleteRead):  # the size tells that, below
                    raise web.BrokenTransferError(f"the connection broke ({disk.reason(web.root(error))})") from error
    if (size := disk.file_size(part) or 0) < remote.size:
        raise web.BrokenTransferError(
            f"the connection ended at {disk.size_text(size)} of {disk.size_text(remote.size)}"
        )


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


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
