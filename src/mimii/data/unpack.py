"""Unpacks archives. Every file is whole or absent, and a second call completes what the first one began."""

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from mimii.data import disk
from mimii.data.archives import Archive
from mimii.data.folders import is_rubbish
from mimii.errors import UserError


def extract(base_dir: Path, wanted: Sequence[Archive], *, remove_archives: bool = False) -> None:
    """Unpack the archives that are in ``base_dir`` into their directories.

    Files that exist with the right size and CRC are left alone; each other one is written whole or not at all.

    Parameters
    ----------
    base_dir : Path
    wanted : sequence of Archive
        At least one of them must be in ``base_dir``; a line at the end names those that are not.
    remove_archives : bool
        Whether to remove each archive when everything in it is extracted.

    Raises
    ------
    UserError
        No archive is in ``base_dir``, two have different files of the same name, one is damaged or has members that
        belong elsewhere, or the disk is full. What is extracted stays.
    """
    absent = [archive.name for archive in wanted if disk.file_size(base_dir / archive.path) is None]
    if len(absent) == len(wanted):
        names = absent[0] if len(absent) == 1 else f"archive of MIMII ({absent[0]} ... {absent[-1]})"
        raise UserError(f"there is no {names} in {base_dir}: get it with the subcommand download")
    present = [archive for archive in wanted if archive.name not in absent]
    with disk.only_process(base_dir, "extract"):
        _compare(base_dir, present)
        for archive in present:
            path, destination = base_dir / archive.path, base_dir / archive.folder
            written, kept = _extract_archive(path, destination)
            print(f"{archive.name}: {written:,} files written to {destination}, {kept:,} were there already")
            if remove_archives:
                _flush_to_disk()
                with disk.writing(path):
                    path.unlink()
                print(f"{archive.name}: removed")
    if absent:
        print(f"not there: {', '.join(absent)}")


def _compare(base_dir: Path, archives: Sequence[Archive]) -> None:
    """Raise a `UserError` where two archives have different files of the same name."""
    first: dict[tuple[str, str], tuple[Archive, int, int]] = {}
    for archive in archives:
        members: list[zipfile.ZipInfo] = []
        path = base_dir / archive.path
        with suppress(UserError), _reading_archive(path), zipfile.ZipFile(path) as content:
            members = _members(content, path)  # what is wrong with an archive is said when its turn comes
        for member in members:
            found = (archive, member.file_size, member.CRC)
            other = first.setdefault((archive.folder, member.filename), found)
            if other[1:] != found[1:]:
                raise UserError(
                    f"{base_dir / other[0].path} and {path} have different files {member.filename}: remove the archive "
                    "that is wrong or out of date"
                )


def _extract_archive(path: Path, destination: Path) -> tuple[int, int]:
    """Unpack one archive; returns how many files were written, and how many existed already."""
    written = kept = 0
    with _reading_archive(path), zipfile.ZipFile(path) as archive:
        members = [(member, destination / member.filename) for member in _members(archive, path)]
        with disk.writing(destination):
            destination.mkdir(exist_ok=True)
        missing = [member.file_size for member, target in members if disk.file_size(target) != member.file_size]
        disk.check_space(destination, sum(missing))
        with disk.progress_bar(path.name, sum(member.file_size for member, _ in members)) as bar:
            for member, target in members:
                if _is_extracted(member, target):
                    kept += 1
                else:
                    _extract_member(archive, path, member, target)
                    written += 1
                bar.update(member.file_size)
    return written, kept


def _members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The files in an archive, without what a system such as macOS adds for itself.

    Raises
    ------
    UserError
        One of them would be written outside the directory that the archive is unpacked into, or is no plain file.
    """
    for member in archive.infolist():
        file_type = stat.S_IFMT(member.external_attr >> 16)  # as on Unix; 0 where the archive was made elsewhere
        name = PurePosixPath(member.filename)
        # a backslash or a colon is a directory, a drive or a stream on Windows
        leaves = name.is_absolute() or ".." in name.parts or not name.parts or set("\\:") & set(member.filename)
        if leaves or file_type not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(
                f"{path} was not unpacked: its member {member.filename!r} could write outside the directory, which "
                "none in an archive of this data set does; remove the archive and download it again"
            )
    return [
        member
        for member in archive.infolist()
        if not (member.is_dir() or any(is_rubbish(part) for part in PurePosixPath(member.filename).parts))
    ]


def _is_extracted(member: zipfile.ZipInfo, target: Path) -> bool:
    if disk.file_size(target) != member.file_size:
        return False
    crc = 0
    for block in disk.blocks(target):
        crc = zlib.crc32(block, crc)
    return crc == member.CRC


def _extract_member(archive: zipfile.ZipFile, path: Path, member: zipfile.ZipInfo, target: Path) -> None:
    # The name is always the same, so that the next run overwrites what a killed one leaves. It begins with a dot, so
    # that nobody takes it for a recording.
    temporary = target.with_name(f".{target.name}.part")
    with disk.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                for block in disk.blocks(path, lambda: archive.open(member)):
                    file.write(block)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _reading_archive(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with an archive into a `UserError` of one line."""
    try:
        yield
    except UserError:
        raise
    except RuntimeError as error:  # NotImplementedError too: encrypted, or compressed in a way that zipfile lacks
        raise UserError(f"{path} can't be unpacked here ({disk.reason(error)}): try it with 7z") from error
    except OSError as error:
        raise disk.unreadable(path, error) from error
    except Exception as error:  # damage shows as BadZipFile, zlib.error, LZMAError, EOFError, ValueError ...
        raise UserError(
            f"{path} is damaged ({disk.reason(error)}): remove it, download it again and extract again; "
            "what is extracted stays"
        ) from error


def _flush_to_disk() -> None:
    """Make sure that what was written survives a power failure, before its source is removed."""
    if hasattr(os, "sync"):  # not on Windows
        os.sync()
