"""The result of reading a path: clips one after another, and the facts that hold for all of them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from kinegraph.data.folders import places
from kinegraph.data.large import blocks
from kinegraph.data.reading.faults import Fault, nobody
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

FIRST, ITEMS = 20, 400  # clips that decide what a file does not say, among so many items
FIRST_BYTES = 1 << 26  # of coordinates: fewer clips decide where they are long


@dataclass(frozen=True)
class Unread:
    """A clip outside of the sample that was asked for: only its name and what the name says."""

    name: str
    label: int | None = None
    attributes: Mapping[str, int | str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)


Item = SkeletonClip | Fault | Unread
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}  # of coordinates in space
NOBODY = ("empty", "nobody", "noone", "noperson", "nothing", "none", "background", "absent")  # names of classes
UNITS = (*METRES, "px", "image", "normalised")


@dataclass(frozen=True, eq=False)
class Recordings:
    """Clips and the facts that a dataset folder keeps about them.

    clips: read while they are taken; a ValueError ends them where the rest of a file cannot be read.
    count: number of clips at most, for a progress bar. units: "m", "px" or "normalised"; a reader may also say another
        unit of `METRES`, or "image" for fractions of a picture.
    guessed: what the file does not say: "layout" ("usual_layout" too, where data sets are published in the format),
        "bones" (`bones.with_bones`), "units", "up" (the vertical axis), "plane" where x, y and z may be a
        picture's, or "score" where the third number may be one.
        It is decided from the first clips (`unstated.decided`) and said in `assumed`, a line for each decision.
    source, licence: origin of the recordings, in words. skipped: called after the last clip; a line for each reason
        for which something was not read, although it is no fault. changed: likewise, a line for each thing that reading
        changed.
    unordered: whether people may change rows from frame to frame; they are followed then (`people.followed`).
    as_arrays: whether clips are stored as arrays, whose axes may stand in another order.
    none: of long recordings, name of the class of frames between segments; empty where these are ignored.
    format, reason: name of the format, and why the path has this format.
    """

    clips: Iterator[Item]
    count: int
    layout: JointLayout
    class_names: tuple[str, ...]
    units: str
    source: str
    licence: str = ""
    none: str = ""
    skipped: Callable[[], list[str]] = list
    changed: Callable[[], list[str]] = list
    unordered: bool = False
    as_arrays: bool = False
    guessed: frozenset[str] = frozenset()
    assumed: tuple[str, ...] = ()
    format: str = ""
    reason: str = ""


def facts_of(found: Recordings) -> dict[str, Any]:
    """The facts about all clips, as `write_dataset` takes them."""
    facts = {name: getattr(found, name) for name in ("layout", "class_names", "units", "source", "licence")}
    return facts | ({"none": found.class_names.index(found.none)} if found.none else {})


def fault_of(error: Exception, clip: str = "") -> Fault:
    """The fault that an exception describes."""
    if isinstance(error, OSError) and error.strerror:
        return Fault(f"{error.filename} cannot be read: {error.strerror}", clip)
    message = str(error)
    for start in (f"clip '{clip}': ", f"clip '{clip}' "):
        message = message.removeprefix(start) if clip else message
    return Fault(message, clip, getattr(error, "kind", "broken"))


def spread(total: int, sample: int | None) -> frozenset[int]:
    """The numbers of the clips to read: all, or `sample` of them at equal distances."""
    if sample is None or total <= sample:
        return frozenset(range(total))
    return frozenset(round(i * (total - 1) / max(sample - 1, 1)) for i in range(sample))


def check_readable(path: Path) -> None:
    """Raises ValueError for an empty file, and the system's error for a folder inside that may not be opened.

    The files of such a folder would only seem to be absent, and so do those behind links that lead nowhere.
    """
    check_kind(path)
    if path.is_file() and not path.stat().st_size:
        raise ValueError(f"{path} is an empty file")
    broken: list[str] = []
    for place in places(path) if path.is_dir() else ():
        if place.fault is not None:
            raise place.fault
        for name in place.others:
            check_kind(place.path / name)
        broken += [(place.path / name).relative_to(path).as_posix() for name in place.broken]
    if broken:
        links = f"{len(broken):,} links to files that are not there" if len(broken) > 1 else "a link to nothing"
        raise ValueError(f"{path} has {links}: {first_few(broken)}; fetch the files, or delete the links")


def check_kind(path: Path) -> None:
    """Raises ValueError for a device or a pipe, also behind a link: reading one would not end."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ValueError(f"{path} is a device or a pipe, expected a file or a folder")


# ---- the first clips, which decide what a file does not say ----------------------------------------------------------


def peeked(items: Iterator[Item]) -> tuple[list[SkeletonClip], Iterator[Item]]:
    """The first clips, and all items from the first on; these can be closed."""
    taken: list[Item] = []
    clips: list[SkeletonClip] = []
    size = 0
    for item in items:
        taken.append(item)
        if isinstance(item, SkeletonClip):
            clips.append(item)
            size += item.keypoint.nbytes
        if len(clips) == FIRST or len(taken) == ITEMS or size > FIRST_BYTES:
            break
    return clips, closing_too(chain(taken, items), items)


def each_clip(items: Iterator[Item], change: Callable[[SkeletonClip], Iterable[Item]]) -> Iterator[Item]:
    """`change` of each clip, and faults as they are. Closing the result closes `items`."""
    with closing(items):
        for item in items:
            yield from change(item) if isinstance(item, SkeletonClip) else (item,)


def with_somebody(found: Recordings) -> Recordings:
    """The recordings with a fault in place of each clip in which nobody is, of which published files have some.

    Where a class is called so ("empty"), that is how its clips look: they are kept, which is said.
    """
    kept: dict[str, list[str]] = {}  # class -> clips

    def checked(clip: SkeletonClip) -> tuple[Item]:
        name = "" if clip.label is None else "".join(found.class_names[clip.label : clip.label + 1])
        if any(clip.keypoint[:, some].any() for some in blocks(clip.keypoint)):
            return (clip,)
        if not means_nobody(name):
            return (nobody(clip.name),)
        kept.setdefault(name, []).append(clip.name)
        return (clip,)

    def lines() -> list[str]:
        clips = {name: f"{counted(len(names), 'clip')} without any person" for name, names in kept.items()}
        return [f"{clips[name]} kept, the class is '{name}': {first_few(names)}" for name, names in kept.items()]

    return replace(found, clips=each_clip(found.clips, checked), changed=lambda: found.changed() + lines())


def means_nobody(class_name: str) -> bool:
    """Whether a class is called as one of which clips show nobody."""
    return re.sub(r"[\W_]", "", class_name.lower()) in NOBODY


def closing_too(items: Iterable[Item], source: Iterator[Item]) -> Iterator[Item]:
    """The items. Closing the result closes `source`, which may hold files and processes."""
    try:
        yield from items
    finally:
        if (close := getattr(source, "close", None)) is not None:
            close()


def mapped(items: Iterator[Item], change: Callable[[SkeletonClip], SkeletonClip]) -> Iterator[Item]:
    """The items, each clip changed; a clip that cannot be is a fault."""

    def changed(clip: SkeletonClip) -> tuple[Item]:
        try:
            return (change(clip),)
        except ValueError as error:
            return (fault_of(error, clip.name),)

    return each_clip(items, changed)
