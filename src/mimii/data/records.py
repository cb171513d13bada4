"""Reads what a record of Zenodo holds: names, sizes, MD5 sums and links of its files."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError

from mimii.data import web
from mimii.data.mimii import RECORD_URL
from mimii.errors import UserError

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


def read_record(url: str) -> dict[str, RemoteFile]:
    """Read a record of Zenodo's API, or a JSON file like it.

    Parameters
    ----------
    url : str
        The links of the files may be relative to it.

    Returns
    -------
    dict of str to RemoteFile
        The files by their names.

    Raises
    ------
    UserError
        The server can't be reached, or its answer is no record.
    """
    web.check_url(url)
    # A server that answers is asked again; where none can be reached the user learns it at once.
    retries = web.Retries.of("the list of files", unreachable=0)
    try:
        with web.open_session(retries) as session, web.get(session, retries, url) as response:
            content = b"".join(web.received(response, MAX_RECORD_SIZE))
    except (requests.RequestException, HTTPError) as error:
        raise UserError(
            f"{web.no_connection(url, error)}: check the network, or name another server with --url"
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


def choose(record: dict[str, RemoteFile], names: Sequence[str], url: str) -> list[RemoteFile]:
    """The files of a record that have these names.

    Parameters
    ----------
    record : dict of str to RemoteFile
        As `read_record` gives it.
    names : sequence of str
    url : str
        Of the record, for the message.

    Raises
    ------
    UserError
        The record lacks one of them.
    """
    if absent := [name for name in names if name not in record]:
        raise UserError(f"the record {url} has no {', '.join(absent)}: choose others, or name another --url")
    return [record[name] for name in names]
