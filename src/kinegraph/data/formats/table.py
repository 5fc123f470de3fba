"""Own recordings -> clips: a CSV or Parquet (`table_csv`), a JSON file (`table_json`) or arrays in an .npz (`arrays`).

Labels, splits and what else is known of a clip stand in the file or in a second one, see `clip_columns`.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kinegraph.atomic import atomic_file, write_atomic
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.formats import arrays
from kinegraph.data.reading.clips.clip_columns import ClipColumns, Facts, facts
from kinegraph.data.reading.clips.recordings import Item, Recordings, fault_of
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.files.csv_rows import NO_TEXT
from kinegraph.data.reading.steps.companion import about_text, beside
from kinegraph.data.reading.steps.labels_file import with_labels
from kinegraph.data.reading.steps.people import BodyPolicy
from kinegraph.data.reading.tables.table_csv import ClipRows
from kinegraph.data.reading.tables.table_file import first_table_below, looks_like_a_table, open_table
from kinegraph.messages import counted, first_few
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

NAME = "table"
TITLE = "table of joints (CSV, Parquet or JSON)"
SUFFIXES = (".csv", ".tsv", ".json", ".npz", *NO_TEXT)
FEW = 4  # columns that have a line each


def detect(path: Path) -> str | None:
    """A CSV whose header has frame, joint, x and y, or a JSON file with a list of clips; or a folder with some."""
    if path.is_file():
        return looks_like_a_table(path)
    first = first_table_below(path)
    return first and f"holds {first.relative_to(path)}, {looks_like_a_table(first)}"


def read(
    path: Path,
    *,
    layout: str | JointLayout | None = None,
    labels: str | None = None,
    labels_file: Path | None = None,
    class_names: str | None = None,
    units: str | None = None,
    image_size: str | None = None,
    fps: float | None = None,
    people: int | None = None,
    val_share: float | None = None,
    bodies: BodyPolicy | None = None,
    expected: JointLayout | None = None,
) -> Recordings:
    """The clips of a .csv (or .tsv, .txt), .json or .npz file, or of a folder of tables and JSON files.

    layout: name or YAML file; by default the built-in one with the file's joints. labels_file: CSV, one row per clip.
    labels: the column that holds them, of the labels file where one is given.
    units: of the coordinates, where the file does not say it; by default what the size of bodies tells.
    people: keep so many, those who are seen most.
    val_share: part of the clips for validation where nothing gives a split, by default 0.2.
    bodies: of a .json, "tracked" (the default) follows people who change rows, "rows" leaves everybody in the row of
        the file. In a table the column person says who is who.
    expected: the layout of the network that is asked, which tables of just its joints have.
    Raises ValueError naming file, line and clip that is not as expected.
    """
    if people is not None and people < 1:
        raise ValueError(f"{counted(people, 'person', 'people')} cannot be kept; give 1 or more")
    given = {
        "--labels": labels,
        "--labels-file": labels_file,
        "--class-names": class_names,
        "--units": units,
        "--people": people,
    }
    given |= {"--image-size": image_size, "--fps": fps, "--val-share": val_share, "--bodies": bodies}
    if path.suffix.lower() == ".npz":
        if asked := [option for option, value in given.items() if value is not None]:
            raise ValueError(f"{asked[0]} is not for .npz files: {path.name} says such things in its arrays")
        return arrays.read(path, layout=layout)
    file = open_table(path, layout, people, expected, None if labels_file else labels)
    if bodies is not None and not file.unordered:
        raise ValueError(f"--bodies is not for {path.name}: the column person of a table says who is who")
    table, guessed = file.facts, {"layout"} if file.guessed else set()
    if units is None and file.units is None:
        guessed.add("units")
    if file.channels == 3:
        guessed |= {"up", "plane"} | ({"score"} if file.scored and units is None else set())
    skipped, said = _unused(file.unknown) + list(file.left_out), ()
    if fps is not None:  # in place of what the file says
        table = {name: {key: cell for key, cell in cells.items() if key != "fps"} for name, cells in table.items()}
    if labels_file is not None:
        table, missing, said = with_labels(table, labels_file, labels=labels)
        skipped += missing
    known = facts(
        table,
        class_names=class_names or file.class_names,
        val_share=val_share,
        fps=fps or file.fps,
        image_size=image_size or file.image_size,
    )
    steps: dict[str, float] = {}
    return Recordings(
        clips=_clips(file.rows, known, file.layout, steps),
        count=len(known.clips),
        layout=file.layout,
        class_names=known.class_names,
        units=units or file.units or ("px" if file.channels == 2 else "m"),
        source="; ".join(filter(None, [f"table {path.name}", known.note])),
        skipped=lambda: skipped,
        changed=lambda: known.lines() + _steps_said(steps),
        unordered=file.unordered and bodies != "rows",
        as_arrays=path.suffix == ".json",
        guessed=frozenset(guessed),
        assumed=file.assumed + said + known.assumed,
    )


def _unused(columns: Sequence[str]) -> list[str]:
    """A line for each column that is not used, one line for many."""
    if len(columns) > FEW:
        return [f"{counted(len(columns), 'column')}, without a meaning here: {first_few(list(columns))}"]
    return [f"column '{name}', which has no meaning here" for name in columns]


def _steps_said(steps: dict[str, float]) -> list[str]:
    if not steps:
        return []
    low, high = min(steps.values()), max(steps.values())
    wide = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    return [
        f"frames are numbered in steps of {wide} in {counted(len(steps), 'clip')} ({first_few(list(steps))}): "
        "read one after another, with fewer frames a second"
    ]


def _clips(
    rows: Iterator[ClipRows | Fault], known: Facts, layout: JointLayout, steps: dict[str, float]
) -> Iterator[Item]:
    """steps: gets the clips whose frames are not numbered one by one."""
    for clip in rows:
        if isinstance(clip, Fault):
            yield clip
        elif clip.name in known.faults:
            yield Fault(known.faults[clip.name], clip.name, "label")
        elif clip.name in known.clips:
            try:
                if clip.step > 1:
                    steps[clip.name] = clip.step
                yield _clip(clip, known.clips[clip.name], layout)
            except ValueError as error:
                yield fault_of(error, clip.name)


def _clip(rows: ClipRows, about: ClipColumns, layout: JointLayout) -> SkeletonClip:
    clip = SkeletonClip(rows.keypoint, layout, rows.name, score=rows.score)
    return replace(
        clip,
        label=about.label,
        fps=about.fps / rows.step if about.fps else None,
        image_size=about.image_size,
        attributes=about.attributes,
        splits=about.splits,
    )


# ---- a dataset as a CSV with one row per joint; what it has no place for lies beside it ------------------------------


def write_table(path: Path, dataset: SkeletonDataset) -> None:
    """Write clip, frame, person, joint, x, y (z, score), label and splits of every joint; empty cells: not seen."""
    axes = "xyz"[: dataset.channels]
    splits = [split if split == "split" else f"split_{split}" for split in dataset.splits]
    header = ["clip", "frame", "person", "joint", *axes, *["score"] * dataset.has_score, "label", *splits]
    write_atomic(beside(path), about_text(dataset, np.arange(len(dataset))).encode())
    with atomic_file(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        for i in range(len(dataset)):
            clip = dataset[i]
            label = "" if clip.label is None else dataset.class_names[clip.label] if dataset.class_names else clip.label
            of_clip = [label, *(clip.splits.get(split, "") for split in dataset.splits)]
            table.writerows([clip.name, *row, *of_clip] for row in _rows(clip))


def _rows(clip: SkeletonClip) -> Iterator[list[str | int]]:
    """Frame, person, joint, coordinates and score of every joint."""
    seen = clip.keypoint.any(3)
    for frame in range(clip.frames):
        for person in range(clip.people):
            for number, joint in enumerate(clip.layout.joints):
                place = clip.keypoint[person, frame, number]
                cells = [str(value) for value in place] if seen[person, frame, number] else [""] * len(place)
                if clip.score is not None:
                    cells.append(str(clip.score[person, frame, number]))
                yield [frame, person, joint, *cells]
