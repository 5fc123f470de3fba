"""What is asked for of the clips of any format: cleaning, the vertical, the frame rate."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import fields
from typing import Any

from kinegraph.data.cleaning import Cleaning, cleaned, swapped_pairs
from kinegraph.data.formats.recordings import Item, fault_of
from kinegraph.data.repair import at_rate, turned_up
from kinegraph.messages import first_few
from kinegraph.skeleton.clip import SkeletonClip

CLEANING = tuple(it.name for it in fields(Cleaning))  # options: see `cleaning.Cleaning`


def cleaning(options: Mapping[str, Any]) -> Cleaning:
    """The cleaning that is asked for; false where it is none."""
    return Cleaning(**{name: options[name] for name in CLEANING if name in options})


def as_asked(items: Iterator[Item], options: Mapping[str, Any], mended: dict[str, int]) -> Iterator[Item]:
    """The clips cleaned, turned upright and at the frame rate that were asked for. mended: see `mended_lines`."""

    def clean(clip: SkeletonClip) -> SkeletonClip:
        if how.mend_sides and (frames := int(swapped_pairs(clip).any((0, 2)).sum())):
            mended[clip.name] = frames
        return cleaned(clip, how)

    if how := cleaning(options):
        items = mapped(items, clean)
    if (up := options.get("up")) is not None:
        items = mapped(items, lambda clip: turned_up(clip, up))
    if (rate := options.get("resample_fps")) is not None:
        items = mapped(items, lambda clip: at_rate(clip, rate))
    return items


def mended_lines(frames: Mapping[str, int]) -> list[str]:
    """The line on left and right that were exchanged back. frames: clip -> in how many."""
    total = sum(frames.values())
    where = f"{total:,} frames of {len(frames):,} clips: {first_few([*frames])}"
    return [f"left and right were exchanged back in {where}"] * bool(frames)


def mapped(items: Iterator[Item], change: Callable[[SkeletonClip], SkeletonClip]) -> Iterator[Item]:
    """The items, each clip changed; a clip that cannot be is a fault."""
    with closing(items):
        for item in items:
            try:
                yield change(item) if isinstance(item, SkeletonClip) else item
            except ValueError as error:
                assert isinstance(item, SkeletonClip), "only a clip is changed"
                yield fault_of(error, item.name)
