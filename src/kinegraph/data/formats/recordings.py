"""What every source tells about the recordings it reads, beside the clips themselves."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path

from kinegraph.messages import CONTROL, plain_name
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


def placed(recordings: Callable[..., Recordings]) -> Callable[..., Recordings]:
    """A source's `recordings(raw, ...)` whose faults name the path, also those found while clips are taken."""

    @contextmanager
    def naming(raw: Path, options: Mapping[str, object]) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            given = (raw, raw.resolve(), *(it for it in options.values() if it and isinstance(it, str | Path)))
            if any(str(it) in str(error) for it in given):
                raise  # it says where
            raise ValueError(f"{raw}: {error}") from None

    @wraps(recordings)
    def told(raw: Path, **options: object) -> Recordings:
        def clips() -> Iterator[SkeletonClip]:
            with naming(Path(raw), options), closing(found.clips) as inner:
                yield from map(_plainly_named, inner)

        with naming(Path(raw), options):
            found = recordings(raw, **options)
        return replace(found, clips=clips(), class_names=tuple(map(plain_name, found.class_names)))

    return told


def _plainly_named(clip: SkeletonClip) -> SkeletonClip:
    """Without control characters, which a stranger's file may hold for a terminal or a page to obey."""
    texts = [clip.name, *(it for it in (*clip.attributes.values(), *clip.splits) if isinstance(it, str))]
    if not any(map(CONTROL.search, texts)):
        return clip
    cells = {key: plain_name(it) if isinstance(it, str) else it for key, it in clip.attributes.items()}
    splits = {plain_name(split): plain_name(part) for split, part in clip.splits.items()}
    return replace(clip, name=plain_name(clip.name), attributes=cells, splits=splits)


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
