"""The subject of log records: which task or which command they are about."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_subject: ContextVar[str] = ContextVar("subject", default="")


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Name the subject of the log records of this block."""
    token = _subject.set(subject)
    try:
        yield
    finally:
        _subject.reset(token)


class SubjectFilter(logging.Filter):
    """Gives each record its subject, before the record leaves the process that knows it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set ``record.subject`` where it is not set yet."""
        if not hasattr(record, "subject"):
            record.subject = _subject.get()
        return True
