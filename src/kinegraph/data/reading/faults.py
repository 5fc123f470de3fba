"""What can be wrong with a file, and with a clip in it."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A part of a file that cannot be read. The clips after it are still read.

    message: place, cause and remedy, without the name of the clip. kind: a short name for programs, such as "joints".
    skip: whether the clip is skipped in any case, such as one in which nobody is, and reading does not stop.
    """

    message: str
    clip: str = ""
    kind: str = "broken"
    skip: bool = False

    def __str__(self) -> str:
        named = re.search(rf"['/\\\\]{re.escape(self.clip)}['.:_]", self.message)
        return self.message if named or not self.clip else f"clip '{self.clip}' {self.message}"


class FormatError(ValueError):
    """A fault of a whole file. kind: as of a `Fault`."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class OneOfSeveral(FormatError):
    """A fault of one clip among others: leaving it out is a way on."""


def nobody(clip: str) -> Fault:
    """The fault of a clip without any person, of which published files have some."""
    return Fault("without any person", clip, "empty", skip=True)
