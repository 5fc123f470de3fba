"""What every source tells about the recordings it reads, beside the clips themselves."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout


@dataclass(frozen=True, eq=False)
class Recordings:
    """Clips and all that a dataset folder says about them.

    clips: read while they are taken. count: how many there are at most, for a progress bar. units: "m" or "px".
    source, licence: where they come from, in words. left_out: asked after the last clip, one line for each reason why
        something was not read.
    """

    clips: Iterator[SkeletonClip]
    count: int
    layout: JointLayout
    class_names: tuple[str, ...]
    units: str
    source: str
    licence: str = ""
    left_out: Callable[[], list[str]] = list


def at_least_one(clips: Iterator[SkeletonClip], left_out: Callable[[], list[str]]) -> Iterator[SkeletonClip]:
    """The clips. Raises ValueError with what was left out when there are none."""
    with closing(clips):
        none = True
        for clip in clips:
            none = False
            yield clip
    if none:
        reasons = left_out()
        more = f"; and {len(reasons) - 3:,} more" if len(reasons) > 3 else ""
        raise ValueError(f"nothing is left to prepare; left out: {'; '.join(reasons[:3])}{more}")


def check_readable(raw: Path) -> None:
    """Raises ValueError for an empty file, and the system's error for a folder inside that may not be looked into.

    The files of such a folder would only seem to be absent.
    """

    def fail(error: OSError) -> None:
        raise error

    if raw.is_file() and not raw.stat().st_size:
        raise ValueError(f"{raw} is an empty file")
    if raw.is_dir():
        for _ in os.walk(raw, onerror=fail):
            pass
