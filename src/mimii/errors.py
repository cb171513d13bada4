"""The failures that a user meets as a line of text instead of a traceback."""


class UserError(Exception):
    """Something outside the program is wrong and it can't go on; the message says what, and what to do about it."""


class TaskError(Exception):
    """One task of a sweep can give no result, and the others go on; the message says why."""


class StorageError(UserError):
    """A file can't be written, and so nothing of the run could be kept; what stood in its place is untouched."""
