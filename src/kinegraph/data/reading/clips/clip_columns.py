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
from difflib import get_close_matches

import numpy as np

from kinegraph.data.column_words import WORDS, plain_word
from kinegraph.data.dataset_write import COLUMNS
from kinegraph.data.reading.clips.conventions import first_number, names_of_classes
from kinegraph.data.split_names import ABSENT
from kinegraph.messages import did_you_mean, first_few, quoted

VAL_SHARE = 0.2
MADE_HERE = "made here"  # in what `made_split` says
MADE = "holdout"  # the split of `made_split` without subjects
MOST_CLASSES = 10_000
UNIT = re.compile(
    r"(?<=.)\s*[(\[]\s*(mm|cm|m|px|pixels?|s|sec|seconds?|ms|(milli|centi)?met(er|re)s?)\s*[)\]]$", re.IGNORECASE
)
INDEX = re.compile(r"|Unnamed: \d+")  # how pandas names the column of row numbers
SLIP = 0.79  # how alike two names are, of 1: lable and label, not video and view
MOST_CHECKED = 100  # columns that are compared with known names
PARTS = {"training": "train", "validation": "val", "valid": "val", "testing": "test"}
IS_TRAIN = "is_train"  # a column of 0 and 1
SIZE = ("width", "height")
OWN = ("label", "fps", *SIZE)
KNOWN = ("label", "split", "fps", "width", "height", "subject", "camera", "setup", "replication", "view", "session")
ALIASES = {
    "label": ("labels", "class", "class_name", "category", "action", "activity", "gesture", "target", "exercise",
              "movement", "motion", "behavior", "behaviour", "sign", "gloss", "label_name", "label_id", "class_id",
              "class_label", "action_name", "action_id", "action_label", "activity_name", "activity_label",
              *WORDS["label"]),
    "split": ("set", "subset", "partition", "data_split", "usage"),
    "subject": ("subjects", "subject_id", "subjectid", "participant", "participant_id", "actor", "actor_id",
                "performer", "performer_id", "user", "user_id", "patient", "patient_id", "signer", "signer_id",
                "speaker", "groups", "athlete", "player", *WORDS["subject"]),
    "fps": ("frame_rate", "framerate", "frames_per_second"),
}  # fmt: skip
IN_ALL = ("vid", "vid_id", "vid_name", "clip_id", "clip_no", "clip_number", "seq", "seq_id", "seq_name", "sequence",
          "sequence_id", "sequence_name", "sample_id", "sample_name", "recording_id", "recording_name", "episode_id",
          "episode_index", "session_pitch", *WORDS["clip"])  # fmt: skip
OF_CLIPS = {
    "clip": ("name", "clip_name", "video", "video_id", "sample", "file", "filename", "file_name", "path", "file_path",
             "filepath", "id", "recording", *IN_ALL),
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

    unknown: columns that have no meaning here and are kept as attributes. alone: one of width and height. assumed:
    lines on labels that are numbers.
    """

    clips: dict[str, ClipColumns]
    class_names: tuple[str, ...]
    note: str
    faults: dict[str, str]
    unknown: tuple[str, ...] = ()
    alone: str = ""
    assumed: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The lines on columns that have no meaning here."""
        named = (
            f"{first_few(self.unknown, 8)}: kept with the clips as {'it is' if len(self.unknown) == 1 else 'they are'}"
        )
        alone = f"column '{self.alone}': left out, as one of {' and '.join(SIZE)} alone is no size of pictures"
        lines = [f"{named}, without a meaning here"] if self.unknown else []
        return [*lines, alone] if self.alone else lines


def named_columns(columns: Sequence[str], aliases: Mapping[str, Sequence[str]] = ALIASES) -> dict[str, str]:
    """The names of columns as they are known here, whatever their capitals; others stay as they are.

    Raises ValueError for two columns of one name.
    """
    plain = {column: plain_column(column) for column in columns}
    known = (*KNOWN, *aliases)
    named = {column: name for column, name in plain.items() if name in known or name.startswith("split_")}
    of_plain = {plain[column]: column for column in reversed(columns)}
    for name, others in aliases.items():
        alias = next((of_plain[other] for other in others if other in of_plain), None)
        if alias is not None and name not in named.values():
            named[alias] = name
    named = {column: named.get(column, column) for column in columns}
    if twice := _twice(named.values()):
        raise ValueError(f"the column {quoted(twice)} is there twice")
    return named


def with_label(columns: Sequence[str], label: str | None, where: object) -> list[str]:
    """The columns, where `label` names the one that holds the labels, or is "" where none counts as theirs.

    where: the table, to name it. Raises ValueError where the column is not there.
    """
    if label is None:
        return list(columns)
    if not label:
        named = named_columns(columns)
        return [f"{name} of frames" if named[name] == "label" else name for name in columns]
    plain = [plain_column(name) for name in columns]
    places = [i for i, name in enumerate(columns) if name == label] or [
        i for i, name in enumerate(plain) if name == plain_column(label)
    ]
    if not places:
        named = did_you_mean(label, columns) or f"; found {first_few(columns, 8) or 'nothing'}"
        raise ValueError(f"{where} has no column {quoted(label)}, which --labels names{named}")
    others = [f"other {name}" if plain[i] == "label" else name for i, name in enumerate(columns)]
    return ["label" if i == places[0] else name for i, name in enumerate(others)]


def labels_from(table: Mapping[str, Mapping[str, str]], label: str | None, where: object) -> dict[str, dict[str, str]]:
    """The cells of clips by the columns of `with_label`; all clips have the same ones."""
    columns = list(next(iter(table.values()), {}))
    named = dict(zip(columns, with_label(columns, label, where), strict=True))
    return {clip: {named[column]: cell for column, cell in cells.items()} for clip, cells in table.items()}


def label_in(content: Mapping) -> str:
    """The label that an object says under one of its names, as a cell; "" where it says none."""
    plain = {plain_column(str(name)): value for name, value in content.items()}
    said = (plain[name] for name in ("label", *ALIASES["label"]) if isinstance(plain.get(name), str | int))
    return next((str(int(value) if isinstance(value, bool) else value).strip() for value in said), "")


def plain_column(name: str) -> str:
    """The name of a column as those that are known are written, without accents and a unit behind it."""
    return plain_word(UNIT.sub("", name.strip()))


def _twice(names: Iterable[str]) -> str | None:
    return next((name for name, times in Counter(names).items() if times > 1), None)


def checked_attributes(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that have no meaning here. Raises ValueError for one that is a misspelt name."""
    unknown = tuple(column for column in columns if column not in (*KNOWN, TRIALS[0]) and not is_split(column))
    for column in unknown[:MOST_CHECKED]:
        if hint := misspelt(column, columns):
            raise ValueError(f"unknown column {quoted(column)}{hint}")
    return unknown


def misspelt(column: str, columns: Sequence[str], known: Sequence[str] = KNOWN) -> str:
    """The end of a message about a column whose name is a fact's but for a slip or two; "" for another one.

    A side of a picture is meant beside the other alone: weight is no height.
    """
    if plain_column(column) in (*IN_ALL, *OF_CLIPS["clip"]):
        return ""
    missing = [name for name in known if name not in columns]
    missing = [name for name in missing if name not in SIZE or any(side in columns for side in SIZE)]
    close = get_close_matches(column.lower(), missing, 1, SLIP)
    return f"; did you mean '{close[0]}'?" if close else ""


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
    if IS_TRAIN in named.values() and not any(map(is_split, named.values())):
        table = {clip: cells | {"split": _is_train(cells[IS_TRAIN])} for clip, cells in table.items()}
    columns = list(next(iter(table.values()), {}))
    unknown = checked_attributes([name for name in columns if name != IS_TRAIN])
    given = [column for column in columns if is_split(column)]
    if given and val_share is not None:
        raise ValueError(f"the clips have a split in column '{given[0]}'; --val-share is for clips without one")
    faults: dict[str, str] = {}
    labels, names = _labels({clip: cells.get("label", "") for clip, cells in table.items()}, class_names, faults)
    assumed: tuple[str, ...] = ()
    if isinstance(class_names, str):
        first, assumed = first_number({label for label in labels.values() if label is not None}, names)
        labels = {clip: None if label is None else label - first for clip, label in labels.items()}
    splits = {column.removeprefix("split_"): _parts(table, column) for column in given}
    note = ""
    if not given:
        splits, note = made_split(table, labels, VAL_SHARE if val_share is None else val_share)
    attributes = {key: _values(table, key) for key in columns if key not in (*OWN, *given)}
    if taken := [key for key in (*attributes, *splits) if key in COLUMNS or not key]:
        raise ValueError(f"the column {quoted(taken[0])} cannot be an attribute of clips, the name is taken; rename it")
    size = image_size_of(image_size) if image_size else None
    sides = [side for side in SIZE if side in columns]
    clips, alone = {}, sides[0] if len(sides) == 1 else ""
    for clip, cells in table.items():
        try:
            rate, of_clip = _positive("fps", cells.get("fps", ""), fps), size if alone else _size(cells, size)
        except ValueError as error:
            rate, of_clip = fps, size
            faults.setdefault(clip, str(error))
        clips[clip] = ClipColumns(
            label=labels[clip],
            fps=rate,
            image_size=of_clip,
            attributes={key: values[clip] for key, values in attributes.items()},
            splits={key: parts[clip] for key, parts in splits.items()},
        )
    return Facts(clips, names, note, faults, unknown, alone, assumed)


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


def _is_train(cell: str) -> str:
    """The part of a clip by the cell of a column that says whether it is for training."""
    return "train" if cell.strip().lower() in ("1", "true", "yes", "y") else "test" if cell.strip() else ""


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
