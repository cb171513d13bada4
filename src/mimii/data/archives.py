"""An archive of a data set: where it lies, and where it is unpacked. Standard library only."""

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Archive:
    """A zip archive.

    Attributes
    ----------
    path : PurePosixPath
        Where it lies, below the directory of all data sets.
    folder : str
        The directory into which it is unpacked, below the same one.
    """

    path: PurePosixPath
    folder: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name
