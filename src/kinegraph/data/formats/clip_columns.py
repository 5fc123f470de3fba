"""Facts about clips in the columns of a table: labels, splits, subjects, frame rate, image size.

    label              name of a class, or its number from 0; empty for a clip without label
    split, split_ANY   train, val or test: becomes the split `split` or `ANY`
    fps, width, height frames a second; image size in pixels
    subject            who acts: a split that is made here keeps each on one side
    any other          an attribute; integers where every clip has one, else text

Capitals in these names do not matter, and `ALIASES` are other names of them. A table without a split gets one, see
`made_split`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from kinegraph.data.column_words import WORDS, plain_word
from kinegraph.data.dataset_write import COLUMNS
from kinegraph.data.formats.conventions import names_of_classes
from kinegraph.data.formats.labels_lists import label_lines
from kinegraph.data.split_names import ABSENT
from kinegraph.messages import did_you_mean, first_few, one_line, quoted

VAL_SHARE = 0.2
MADE_HERE = "made here"  # in what `made_split` says
MADE = "holdout"  # the split of `made_split` without subjects
MOST_CLASSES = 10_000
UNIT = re.compile(
    r"(?<=.)\s*[(\[]\s*(mm|cm|m|px|pixels?|s|sec|seconds?|ms|(milli|centi)?met(er|re)s?)\s*[)\]]$", re.IGNORECASE
)
INDEX = re.compile(r"|Unnamed: \d+")  # how pandas names the column of row numbers
MOST_CHECKED = 100  # columns that are compared with known names
PARTS = {"training": "train", "validation": "val", "valid": "val", "testing": "test"}
OWN = ("label", "fps", "width", "height")
KNOWN = ("label", "split", "fps", "width", "height", "subject", "camera", "setup", "replication", "view", "session")
ALIASES = {
    "label": ("labels", "class", "class_name", "category", "action", "activity", "gesture", "target", "exercise",
              "movement", "motion", "behavior", "behaviour", "sign", "gloss", "label_name", "label_id", "class_id",
              "class_label", "action_name", "action_id", "action_label", "activity_name", "activity_label",
              *WORDS["label"]),
    "split": ("set", "subset", "partition"),
    "subject": ("subjects", "subject_id", "subjectid", "participant", "participant_id", "actor", "performer", "user",
                "patient", "patient_id", "signer", "athlete", "player", *WORDS["subject"]),
    "fps": ("frame_rate", "framerate"),
}  # fmt: skip
OF_CLIPS = {
    "clip": ("name", "clip_name", "video", "video_id", "sample", "file", "filename", "file_name", "path", "file_path",
             "filepath", "id", "recording", *WORDS["clip"]),
}  # fmt: skip

TRIALS = ("trial", "trial_id", "trial_number", "trial_no", "take", "repetition", *WORDS["trial"])
OF_TRIALS = {"trial": (*TRIALS[1:], "rep", "run", "episode")}
KEYS = ("subject", "session", "trial", "camera", "view", "setup", "replication")  # that may tell clips apart


@dataclass(frozen=True)
class ClipColumns:
    label: int | None
    fps: float | None
    image_size: tuple[int, int] | None
    attributes: dict[str, int | str]
    splits: dict[str, str]


@dataclass(frozen=True)
class Facts:
    """Of all clips. note: what was decided here and not by the table, in words. faults: of single clips.

    unknown: columns that have no meaning here and are kept as attributes.
    """

    clips: dict[str, ClipColumns]
    class_names: tuple[str, ...]
    note: str
    faults: dict[str, str]
    unknown: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The line on columns that have no meaning here."""
        named = (
            f"{first_few(self.unknown, 8)}: kept with the clips as {'it is' if len(self.unknown) == 1 else 'they are'}"
        )
        return [f"{named}, without a meaning here"] if self.unknown else []


def named_columns(columns: Sequence[str], aliases: Mapping[str, Sequence[str]] = ALIASES) -> dict[str, str]:
    """The names of columns as they are known here, whatever their capitals; others stay as they are.

    Raises ValueError for two columns of one name.
    """
    plain = {column: plain_column(column) for column in columns}
    known = (*KNOWN, *aliases)
    named = {column: name for column, name in plain.items() if name in known or name.startswith("split_")}
    for name, others in aliases.items():
        alias = next((column for other in others for column in columns if plain[column] == other), None)
        if alias is not None and name not in named.values():
            named[alias] = name
    named = {column: named.get(column, column) for column in columns}
    if twice := _twice(named.values()):
        raise ValueError(f"the column {quoted(twice)} is there twice")
    return named


def label_in(content: Mapping) -> str:
    """The label that an object says under one of its names, as a cell; "" where it says none."""
    plain = {plain_column(str(name)): value for name, value in content.items()}
    said = (plain[name] for name in ("label", *ALIASES["label"]) if isinstance(plain.get(name), str | int))
    return next((str(int(it) if isinstance(it, bool) else it).strip() for it in said), "")


def plain_column(name: str) -> str:
    """The name of a column as those that are known are written, without accents and a unit behind it."""
    return plain_word(UNIT.sub("", name.strip()))


def _twice(names: Iterable[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)


def _checked_attributes(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that have no meaning here. Raises ValueError for one that is a misspelt name."""
    unknown = tuple(column for column in columns if column not in (*KNOWN, TRIALS[0]) and not is_split(column))
    for column in unknown[:MOST_CHECKED]:
        if hint := did_you_mean(column.lower(), [name for name in KNOWN if name not in columns]):
            raise ValueError(f"unknown column {quoted(column)}{hint}")
    return unknown


def facts(
    table: Mapping[str, Mapping[str, str]],
    *,
    class_names: str | Sequence[str] | None = None,
    val_share: float | None = None,
    fps: float | None = None,
    image_size: str | None = None,
) -> Facts:
    """Make sense of the columns of every clip (name -> column -> cell). All clips have the same columns.

    class_names: a text file of class names, one a line, or the names. val_share: part of the clips that `made_split`
        sets apart.
    fps, image_size ("1920x1080"): of clips that do not say it. A cell that cannot be read is a fault of its clip.
    """
    named = named_columns(list(next(iter(table.values()), {})))
    table = {clip: {named[column]: cell for column, cell in cells.items()} for clip, cells in table.items()}
    columns = list(named.values())
    unknown = _checked_attributes(columns)
    given = [column for column in columns if is_split(column)]
    if given and val_share is not None:
        raise ValueError(f"the clips have a split in column '{given[0]}'; --val-share is for clips without one")
    faults: dict[str, str] = {}
    labels, names = _labels({clip: cells.get("label", "") for clip, cells in table.items()}, class_names, faults)
    splits = {column.removeprefix("split_"): _parts(table, column) for column in given}
    note = ""
    if not given:
        splits, note = made_split(table, labels, VAL_SHARE if val_share is None else val_share)
    attributes = {key: _values(table, key) for key in columns if key not in (*OWN, *given)}
    if taken := [key for key in (*attributes, *splits) if key in COLUMNS or not key]:
        raise ValueError(f"the column {quoted(taken[0])} cannot be an attribute of clips, the name is taken; rename it")
    size = image_size_of(image_size) if image_size else None
    clips = {}
    for clip, cells in table.items():
        try:
            rate, sides = _positive("fps", cells.get("fps", ""), fps), _size(cells, size)
        except ValueError as error:
            rate, sides = fps, size
            faults.setdefault(clip, str(error))
        clips[clip] = ClipColumns(
            label=labels[clip],
            fps=rate,
            image_size=sides,
            attributes={key: values[clip] for key, values in attributes.items()},
            splits={key: parts[clip] for key, parts in splits.items()},
        )
    return Facts(clips, names, note, faults, unknown)


def made_split(
    table: Mapping[str, Mapping[str, str]], labels: Mapping[str, int | None], share: float
) -> tuple[dict[str, dict[str, str]], str]:
    """A split for clips that have none: `xsub`, whole subjects drawn until `share` of the clips are in "val"; without
    two subjects `holdout`, `share` of each class. The draw is always the same. Returns it and says it in words.

    Where some clips have labels, those without are in no part.
    """
    if not 0 <= share < 1:
        raise ValueError(f"a validation share of {share:g} is not possible, expected from 0 to less than 1")
    clips = sorted(clip for clip in table if labels[clip] is not None) or sorted(table)
    absent = dict.fromkeys(table, ABSENT)
    if share == 0:
        return {MADE: absent | dict.fromkeys(clips, "train")}, f"split holdout {MADE_HERE}, all clips in train"
    rng = np.random.default_rng(0)
    clips_of = Counter(table[clip].get("subject", "") for clip in clips)
    if len(clips_of) > 1:
        val: set[str] = set()
        for subject in rng.permutation(sorted(clips_of))[:-1].tolist():
            if sum(clips_of[other] for other in val) < share * len(clips):
                val.add(subject)
        parts = {clip: "val" if table[clip]["subject"] in val else "train" for clip in clips}
        return {
            "xsub": absent | parts
        }, f"split xsub {MADE_HERE}, val is subject {', '.join(sorted(val, key=_natural))}"
    parts = {}
    for label in sorted({labels[clip] for clip in clips}, key=lambda label: -1 if label is None else label):
        of_class = rng.permutation([clip for clip in clips if labels[clip] == label]).tolist()
        count = min(max(round(share * len(of_class)), 1), len(of_class) - 1)
        parts |= {clip: "val" if i < count else "train" for i, clip in enumerate(of_class)}
    return {MADE: absent | parts}, f"split holdout {MADE_HERE}, {share:.0%} of each class drawn for val"


def _natural(text: str) -> tuple[int, str]:
    """Numbers by their size, before words."""
    return (int(text), "") if re.fullmatch(r"\d{1,18}", text, re.ASCII) else (10**18, text)


def image_size_of(text: str) -> tuple[int, int]:
    """Width and height from "1920x1080"."""
    if not (match := re.fullmatch(r"([1-9]\d{0,5})\s*[x×,]\s*([1-9]\d{0,5})", text.strip())):
        raise ValueError(f"image size {quoted(text)} is not width x height, such as 1920x1080")
    return int(match[1]), int(match[2])


def read_labels_file(path: Path) -> dict[str, dict[str, str]]:
    """A CSV with one row per clip: its column `clip` (or `name`), and any of the columns above; see `labels_rows`."""
    return labels_rows(path)[0]


def labels_rows(path: Path) -> tuple[dict[str, dict[str, str]], list[str], tuple[str, ...]]:
    """The rows of such a file by the names of their clips, and no keys; or, where no column names the clips, by the
    columns that tell them apart, such as subject and trial, which are the keys; and lines on what was assumed."""
    found: dict[str, dict[str, str]] = {}
    known = {*KNOWN, *chain.from_iterable((ALIASES | OF_CLIPS | OF_TRIALS).values()), *OF_CLIPS, *OF_TRIALS}
    lines, said = label_lines(path, known, plain_column)
    _, header = next(lines, (1, []))
    try:
        names = named_columns(header, ALIASES | OF_CLIPS | OF_TRIALS)
        _checked_attributes([name for name in names.values() if name not in ("clip", *OF_TRIALS)])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    keys = [] if "clip" in names.values() else [name for name in KEYS if name in names.values()]
    hint = "" if "clip" in names.values() else did_you_mean("clip", header)
    if "clip" not in names.values() and (hint or not keys):
        hint = hint or "; name each clip in a column clip, by its file and folder, such as squat/take1"
        raise ValueError(f"{path} has no column 'clip'; found {one_line(', '.join(header)) or 'nothing'}{hint}")
    header = [names[column] for column in header]
    for line, row in lines:
        if len(row) != len(header):
            raise ValueError(f"{path} line {line} has {len(row)} cells, the header has {len(header)}")
        named = zip(header, (cell.strip() for cell in row), strict=True)
        cells = {name: cell for name, cell in named if not INDEX.fullmatch(name)}
        clip = ", ".join(f"{key} {cells[key]}" for key in keys) if keys else cells.pop("clip")
        if not clip:
            raise ValueError(f"{path} line {line}: the clip has no name")
        if clip in found:
            hint = "" if "/" in clip or keys else "; a clip in a folder is named with it, such as squat/take1"
            raise ValueError(f"{path} line {line}: clip {quoted(clip)} is listed twice{hint}")
        found[clip] = cells
    if not found:
        raise ValueError(f"{path} lists no clips")
    return found, keys, said


# ---- columns ---------------------------------------------------------------------------------------------------------


def _labels(
    cells: Mapping[str, str], class_names: str | Sequence[str] | None, faults: dict[str, str]
) -> tuple[dict[str, int | None], tuple[str, ...]]:
    there = sorted({cell for cell in cells.values() if cell})
    given = class_names if class_names is None or isinstance(class_names, str) else "the list of class names"

    def named(numbers: Sequence[int]) -> tuple[str, ...]:
        if class_names is None or isinstance(class_names, str):
            return names_of_classes(class_names, numbers, list(cells))
        return tuple(class_names)

    if all(re.fullmatch(r"-?\d{1,9}(\.0*)?", cell, re.ASCII) for cell in there):
        number = {cell: int(float(cell)) for cell in there}
        for clip, cell in cells.items():
            if cell and number[cell] < 0:
                faults[clip] = f"has label {cell}, classes count from 0; leave the cell empty where there is no label"
        numbers = sorted(label for label in number.values() if label >= 0)
        if numbers and numbers[-1] >= MOST_CLASSES:
            clip = next(clip for clip, cell in cells.items() if cell and number[cell] == numbers[-1])
            raise ValueError(f"clip {quoted(clip)} has label {numbers[-1]}; a number is the number of a class, from 0")
        names = named(numbers)
        return {clip: number[cell] if cell and number[cell] >= 0 else None for clip, cell in cells.items()}, names
    names = tuple(there) if class_names is None else named([])
    index = {name: i for i, name in enumerate(names)}
    for clip, cell in cells.items():
        if cell and cell not in index:
            faults[clip] = f"has label {quoted(cell)}; {given} has no such class{did_you_mean(cell, names)}"
    return {clip: index.get(cell) for clip, cell in cells.items()}, names


def is_split(column: str) -> bool:
    """Whether a column says the part of a split that a clip is in."""
    return column == "split" or column.startswith("split_")


def part_of(cell: str) -> str:
    """The part that somebody means: Training -> train; empty: in no part."""
    part = cell.strip().lower()
    return PARTS.get(part, part) or ABSENT


def _parts(table: Mapping[str, Mapping[str, str]], column: str) -> dict[str, str]:
    return {clip: part_of(cells[column]) for clip, cells in table.items()}


def _values(table: Mapping[str, Mapping[str, str]], key: str) -> dict[str, int | str]:
    cells = {clip: row[key] for clip, row in table.items()}
    if all(re.fullmatch(r"-?(0|[1-9]\d{0,17})", cell, re.ASCII) for cell in cells.values()):
        return {clip: int(cell) for clip, cell in cells.items()}
    return cells


def _positive(column: str, cell: str, otherwise: float | None) -> float | None:
    if not cell:
        return otherwise
    try:
        number = float(cell)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e6:
        raise ValueError(f"has {column} {quoted(cell)}, expected a positive number")
    return number


def _size(cells: Mapping[str, str], otherwise: tuple[int, int] | None) -> tuple[int, int] | None:
    sides = [_positive(side, cells.get(side, ""), None) for side in ("width", "height")]
    if None in sides:
        return otherwise
    return int(sides[0]), int(sides[1])
