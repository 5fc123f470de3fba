"""Own recordings -> clips: a long CSV (`table_csv`), a JSON file (`table_json`) or arrays in an .npz (`arrays`).

Labels, splits and what else is known of a clip stand in the file or in a second one, see `clip_facts`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from kinegraph.data.formats import arrays
from kinegraph.data.formats.clip_facts import ClipFacts, Facts, facts, listed, read_labels_file
from kinegraph.data.formats.recordings import Recordings, at_least_one, placed
from kinegraph.data.formats.table_csv import ClipRows, layout_of, read_rows, scan
from kinegraph.data.formats.table_json import load_json
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

Units = Literal["m", "cm", "mm", "px", "image"]
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}


@placed
def recordings(
    raw: Path,
    *,
    layout: str | None = None,
    labels_file: Path | None = None,
    class_names: str | None = None,
    units: Units | None = None,
    image_size: str | None = None,
    fps: float | None = None,
    people: int | None = None,
    val_share: float | None = None,
) -> Recordings:
    """The clips of a .csv (or .tsv, .txt), .json or .npz file.

    layout: name or YAML file; by default the built-in one with the file's joints. labels_file: CSV with a row a clip.
    units: of the coordinates in the file, by default px in 2D and m in 3D; "image" is fractions of the image's width
        and height, which become pixels, and z is left out. people: keep so many, those who are seen most.
    val_share: part of the clips for validation where nothing gives a split, by default 0.2.
    Raises ValueError naming file, line and clip that is not as expected.
    """
    raw = Path(raw)
    if people is not None and people < 1:
        raise ValueError(f"{people} people cannot be kept; give 1 or more")
    if raw.is_dir():
        raise ValueError(f"{raw} is a folder, expected one .csv, .json or .npz file")
    given = {"--labels-file": labels_file, "--class-names": class_names, "--units": units, "--people": people}
    given |= {"--image-size": image_size, "--fps": fps, "--val-share": val_share}
    if raw.suffix.lower() == ".npz":
        if asked := [option for option, value in given.items() if value is not None]:
            raise ValueError(f"{asked[0]} is not for .npz files: {raw.name} says such things in its arrays")
        return arrays.recordings(raw, layout=layout)
    file = _csv(raw, layout, people) if raw.suffix.lower() in (".csv", ".tsv", ".txt") else _json(raw, layout, people)
    table, of, units = file.facts, file.layout, units or file.units or ("px" if file.channels == 2 else "m")
    left_out = [f"column '{name}', which has no meaning here" for name in file.unknown]
    if labels_file is not None:
        table, missing = _with_labels(table, labels_file)
        left_out += missing
    known = facts(
        table,
        class_names=class_names or file.class_names,
        val_share=val_share,
        fps=fps or file.fps,
        image_size=image_size or file.image_size,
    )
    if units == "image" and file.channels == 3:
        left_out.append("z, whose unit is not the image's")
    return Recordings(
        clips=at_least_one(_clips(file.rows, known, of, units), lambda: left_out),
        count=len(known.clips),
        layout=of,
        class_names=known.class_names,
        units="m" if units in METRES else "px",
        source="; ".join(filter(None, [f"table {raw.name}", known.told])),
        left_out=lambda: left_out,
    )


@dataclass(frozen=True, eq=False)
class _File:
    """What a file of either kind holds; what it says of all clips is None where it does not."""

    rows: Iterator[ClipRows]
    facts: dict[str, dict[str, str]]
    layout: JointLayout
    channels: int
    unknown: list[str]
    fps: float | None = None
    units: str | None = None
    image_size: str | None = None
    class_names: tuple[str, ...] | None = None


def _csv(raw: Path, layout: str | None, people: int | None) -> _File:
    found = scan(raw)
    of = layout_of(raw, found.joints, found.channels, layout)
    return _File(read_rows(raw, found, of, people), found.facts, of, found.channels, found.unknown)


def _json(raw: Path, layout: str | None, people: int | None) -> _File:
    if raw.suffix.lower() != ".json":
        raise ValueError(f"{raw} ends in '{raw.suffix}', expected .csv, .json or .npz")
    found = load_json(raw, layout)
    rows, said = found.clips(people), (found.fps, found.units, found.image_size, found.class_names)
    return _File(rows, found.facts, found.layout, found.channels, [], *said)


def read(path: str | Path, layout: str | None = None) -> Iterator[SkeletonClip]:
    """The clips of a file, see `recordings`."""
    return recordings(Path(path), layout=layout).clips


def _with_labels(table: dict[str, dict[str, str]], file: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The facts of the clips that the labels file lists, its columns first; and what is left out."""
    listing = read_labels_file(file)
    both = {clip: cells | listing[clip] for clip, cells in table.items() if clip in listing}
    if not both:
        raise ValueError(f"{file} lists none of the clips, which are {listed(list(table))}; its own are "
                         f"{listed(list(listing))}")  # fmt: skip
    unlisted = [clip for clip in table if clip not in listing]
    absent = [clip for clip in listing if clip not in table]
    lines = [f"{len(unlisted):,} clips that {file.name} does not list: {listed(unlisted)}"] if unlisted else []
    lines += [f"{len(absent):,} clips of {file.name} without recording: {listed(absent)}"] if absent else []
    return both, lines


def _clips(rows: Iterator[ClipRows], known: Facts, layout: JointLayout, units: Units) -> Iterator[SkeletonClip]:
    for clip in rows:
        if clip.name in known.clips:
            yield _clip(clip, known.clips[clip.name], layout, units)


def _clip(rows: ClipRows, about: ClipFacts, layout: JointLayout, units: Units) -> SkeletonClip:
    keypoint = rows.keypoint
    if units == "image":
        if about.image_size is None:
            raise ValueError(f"clip '{rows.name}' is in fractions of an image of unknown size; give --image-size")
        keypoint = keypoint[..., :2] * np.array(about.image_size, np.float32)
    elif units in METRES:
        keypoint = keypoint * np.float32(METRES[units])
    clip = SkeletonClip(keypoint, layout, rows.name, score=rows.score)
    return replace(
        clip, label=about.label, fps=about.fps, image_size=about.image_size, attributes=about.attributes,
        splits=about.splits,
    )  # fmt: skip
