"""Speaks HTTP: requests a file from a byte on, and waits and tries again where a server or the network fails.

`requests` and `urllib3` connect, follow redirections, verify certificates, use proxies, wait and try again. They don't
resume a file whose connection broke in the middle; `mimii.data.download` does, with ranges.
"""

import re
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import InvalidHeader, ProtocolError

from mimii.data import disk
from mimii.errors import UserError

TIMEOUT = 60.0  # [s] without a byte
RETRIES = 8  # failures in a row, with nothing received between them, until a download is given up
LONGEST_WAIT = 60.0  # [s] before a retry
TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)  # answers that may be others a little later


def check_url(url: str) -> None:
    """Raise a `UserError` where a text is no address of a server."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, say
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise UserError(f"{url!r} is not an address of the form http://host/path or https://host/path")


class BrokenTransferError(ProtocolError):
    """A connection ended before the end of the file; the message says how."""


class Retries(Retry):
    """urllib3's retries, with a line on stderr for each wait: 1 s, then twice as long after each failure."""

    subject = ""  # the file that the messages name

    @classmethod
    def of(cls, subject: str, unreachable: int = RETRIES) -> "Retries":
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

    def new(self, **changes: Any) -> "Retries":
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
        elif isinstance(failure, Exception) and not isinstance(failure, BrokenTransferError):
            problem = f"no connection ({disk.reason(root(failure))})"
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


def open_session(retries: Retries) -> requests.Session:
    """A session whose requests are tried again like this."""
    session = requests.Session()
    session.headers["User-Agent"] = "prepare_dataset.py"
    # sizes and ranges are those of the file, not of its compressed form
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):  # and no other: a redirection to a local file is refused
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    return session


@contextmanager
def get(session: requests.Session, retries: Retries, url: str, offset: int = 0) -> Iterator[requests.Response]:
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


def extent(response: requests.Response) -> tuple[int, int | None]:
    """Where in the file the response begins, and how long the file is, as far as the server says so [bytes]."""
    if response.status_code == requests.codes.partial_content:
        content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if content_range is None:
            raise BrokenTransferError("the server sends a part of the file without saying which")
        start, total = content_range.groups()
        return int(start), None if total == "*" else int(total)
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def received(response: requests.Response, most: int) -> Iterator[bytes]:
    """Give the content as it arrives, at most so many bytes of it, and end where the connection does."""
    while most > 0:
        # read1, because a read would wait for a whole block and lose its beginning where the connection breaks
        block = response.raw.read1(min(disk.BLOCK, most), decode_content=False)
        if not block:
            return
        most -= len(block)
        yield block


def no_connection(url: str, error: Exception) -> str:
    """Why a server can't be reached, in a few words."""
    first = root(error)
    if isinstance(first, ssl.SSLCertVerificationError):
        return f"{url} has no certificate that can be trusted ({first.verify_message})"
    return f"no connection to {urlsplit(url).netloc} ({disk.reason(first)})"


def root(error: Exception) -> Exception:
    """The error that came first; requests and urllib3 wrap it several times."""
    for inner in (error.__cause__, getattr(error, "reason", None), *error.args):
        if isinstance(inner, Exception):
            return root(inner)
    return error
