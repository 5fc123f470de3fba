"""What options of every format ask for: cleaning, the vertical, the frame rate."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, get_args

from kinegraph.data.cleaning import Cleaning, Smoothing, cleaned, swapped_pairs
from kinegraph.data.reading.clips.recordings import UNITS, Item, mapped
from kinegraph.data.repair import at_rate, turned_up
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.geometry import Up

CLEANING = tuple(option.name for option in fields(Cleaning))  # options: see `cleaning.Cleaning`


def check_common(options: Mapping[str, Any]) -> None:
    """Raises ValueError for a value that an option of every format cannot have."""
    for name, known in (("units", UNITS), ("up", get_args(Up))):
        if name in options and options[name] not in known:
            raise ValueError(f"--{name} is '{options[name]}', expected {', '.join(known[:-1])} or {known[-1]}")
    for name, least in (("fill", 1), ("jumps", 0.0), ("min_score", 0.0)):
        if name in options and not options[name] >= least:
            raise ValueError(f"--{name.replace('_', '-')} is {options[name]}, expected at least {least:g}")
    if options.get("smooth", "savgol") not in get_args(Smoothing):
        raise ValueError(f"--smooth is '{options['smooth']}', expected {' or '.join(get_args(Smoothing))}")
    for name in ("fps", "resample_fps"):
        if name in options and not 0 < options[name] < 1e6:
            raise ValueError(f"--{name.replace('_', '-')} is {options[name]:g}, expected frames a second, such as 30")


def cleaning(options: Mapping[str, Any]) -> Cleaning | None:
    """The cleaning that is asked for."""
    given = {name: options[name] for name in CLEANING if name in options}
    return Cleaning(**given) if given else None


def as_asked(items: Iterator[Item], options: Mapping[str, Any], mended: dict[str, int]) -> Iterator[Item]:
    """The clips cleaned, turned upright and at the frame rate that were asked for. mended: see `mended_lines`."""

    def clean(clip: SkeletonClip) -> SkeletonClip:
        if steps.mend_sides and (frames := int(swapped_pairs(clip).any((0, 2)).sum())):
            mended[clip.name] = frames
        return cleaned(clip, steps)

    if steps := cleaning(options):
        items = mapped(items, clean)
    if (up := options.get("up")) is not None:
        items = mapped(items, lambda clip: turned_up(clip, up))
    if (rate := options.get("resample_fps")) is not None:
        items = mapped(items, lambda clip: at_rate(clip, rate))
    return items


def mended_lines(frames: Mapping[str, int]) -> list[str]:
    """The line on left and right that were exchanged back. frames: clip -> in how many."""
    total = sum(frames.values())
    where = f"{counted(total, 'frame')} of {counted(len(frames), 'clip')}: {first_few([*frames])}"
    return [f"left and right were exchanged back in {where}"] if frames else []
