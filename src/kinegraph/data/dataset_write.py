"""The writing of a dataset folder: rows appended one clip at a time, every clip checked against the first."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np

from kinegraph.data.large import blocks
from kinegraph.messages import CONTROL, HALF, plain_name, quoted
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.segment import Segment

FORMAT, VERSION = "kinegraph dataset", 1
AXES = "keypoint.npy (row, joint, channel); rows: clip by clip, person by person, frame by frame"
DTYPES = ("float32", "float16")
UNITS = ("m", "px", "normalised")  # in 3D, of pictures, and of arrays that were centred and turned before
LARGEST = 1e9  # coordinate: beyond it squares and their sums leave float32, and no unit makes a recording of it
COLUMNS = ("name", "label", "offset", "people", "frames", "fps", "width", "height")
SEGMENT_COLUMNS = ("recording", "start", "end", "label", "person")


SEGMENTS = "segments.csv"
FILES = ("keypoint.npy", "score.npy", "clips.csv", SEGMENTS, "dataset.json")


def check_replaceable(path: Path, overwrite: bool) -> None:
    """Raise ValueError where something else than a dataset would be lost, or one that `overwrite` does not give up."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not (path / "dataset.json").is_file():
        raise ValueError(f"{path} exists and is not a dataset folder; choose another place")
    if others := sorted(file.name for file in path.iterdir() if file.name not in FILES):
        raise ValueError(
            f"{path} also holds '{others[0]}', which is not of the dataset; move it or choose another place"
        )
    if not overwrite:
        raise ValueError(f"{path} exists; remove it, choose another place or give --overwrite")


def checked_class_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names in the order of the labels. Raises ValueError for what is no name, or names two classes."""
    if isinstance(names, str):
        raise ValueError(f"class_names is the text {quoted(names)}, expected a list with a name for each class")
    names = tuple(names)
    if wrong := [label for label, name in enumerate(names) if not isinstance(name, str)]:
        raise ValueError(f"class {wrong[0]} is named {quoted(names[wrong[0]])}, expected a text")
    shown = [*map(plain_name, names)]  # as they are read again
    if repeated := [name for name, times in Counter(shown).items() if times > 1]:
        labels = [label for label, name in enumerate(shown) if name == repeated[0]]
        raise ValueError(f"the classes {labels[0]} and {labels[1]} are both named '{repeated[0]}'; give each its own")
    return names


@dataclass(frozen=True)
class Columns:
    """What every clip of a dataset must agree on: given, or taken from the first."""

    layout: JointLayout
    class_names: tuple[str, ...]
    channels: int
    score: bool
    attributes: dict[str, str]  # name -> "int" or "str"
    splits: tuple[str, ...]
    segments: bool

    @classmethod
    def of(cls, clip: SkeletonClip, layout: JointLayout, class_names: tuple[str, ...]) -> "Columns":
        """Those of a dataset that begins with this clip. Raises ValueError for a column whose name is taken."""
        named, names = f"clip '{plain_name(clip.name)}'", [*clip.attributes, *clip.splits]
        if taken := [name for i, name in enumerate(names) if name in COLUMNS or name in names[:i] or not name]:
            raise ValueError(f"{named}: '{taken[0]}' cannot name an attribute or a split, the name is taken")
        if wrong := [name for name in names if not isinstance(name, str) or not _is_line(name)]:
            raise ValueError(
                f"{named}: {quoted(wrong[0])} cannot name an attribute or a split, expected a line of text"
            )
        kinds = {key: "str" if isinstance(value, str) else "int" for key, value in clip.attributes.items()}
        channels, score = clip.keypoint.shape[3], clip.score is not None
        long = clip.segments is not None
        return cls(layout, class_names, channels, score, kinds, tuple(clip.splits), long)

    def check(self, clip: SkeletonClip) -> None:
        """Raise ValueError when the clip does not fit its dataset."""
        problem = self._problem(clip)
        if problem:
            raise ValueError(f"clip '{plain_name(clip.name)}' {problem}")

    def _problem(self, clip: SkeletonClip) -> str:
        if not clip.name:
            return "has no name"
        if clip.layout is not self.layout and clip.layout != self.layout:
            return f"has layout '{clip.layout.name}', the dataset has '{self.layout.name}'"
        if clip.keypoint.shape[3] != self.channels:
            return f"has {clip.keypoint.shape[3]} channels, the clips before it have {self.channels}"
        if not clip.people or not clip.frames:
            return f"has {clip.people} people and {clip.frames} frames, expected at least one of each"
        if (clip.score is not None) != self.score:
            return (
                "has no score, the clips before it have" if self.score else "has a score, the clips before it have not"
            )
        if clip.label is not None and not (_is_whole(clip.label) and 0 <= clip.label < len(self.class_names)):
            return f"has label {clip.label}, the {len(self.class_names)} classes are 0 to {len(self.class_names) - 1}"
        if clip.image_size is not None and not all(_is_whole(side) and 0 < side < LARGEST for side in clip.image_size):
            return f"has image size {tuple(clip.image_size)}, expected width and height in whole pixels"
        if (fps := clip.fps) is not None and (
            not isinstance(fps, int | float | np.number) or fps <= 0 or fps > LARGEST
        ):
            return f"has fps {quoted(fps)}, expected frames a second above 0"
        if clip.attributes.keys() != self.attributes.keys():
            return f"has attributes {_listed(clip.attributes)}, the clips before it have {_listed(self.attributes)}"
        for key, value in clip.attributes.items():
            kind = self.attributes[key]
            if not isinstance(value, str if kind == "str" else int | np.integer):
                return (
                    f"has {key} {value!r}, expected {'text, as' if kind == 'str' else 'a whole number, as'} the others"
                )
            if kind == "int" and not -(2**63) <= int(value) < 2**63:
                return f"has {key} {quoted(value)}, expected a number of 64 bits"
        if set(clip.splits) != set(self.splits):
            return f"has splits {_listed(clip.splits)}, the clips before it have {_listed(self.splits)}"
        if wrong := [key for key, part in clip.splits.items() if not isinstance(part, str) or not part]:
            return f"is in no part of split '{wrong[0]}'"
        if (clip.segments is not None) != self.segments:
            if self.segments:
                return "has no segments, the clips before it have"
            return "has segments, the clips before it have none"
        problems = [self._wrong_segment(segment, clip.frames) for segment in clip.segments or ()]
        if problem := next(filter(None, problems), ""):
            return problem
        for text in (clip.name, *clip.attributes.values(), *clip.splits.values()):
            if isinstance(text, str) and not _is_line(text):
                return f"has a line break or control character in {quoted(text)}"
        return ""

    def _wrong_segment(self, segment: Segment, frames: int) -> str:
        if not 0 <= segment.start < segment.end <= frames:
            return f"has a segment from frame {segment.start} to {segment.end}, expected some of its {frames} frames"
        if not 0 <= segment.label < len(self.class_names):
            return f"has a segment of class {segment.label}, the {len(self.class_names)} classes count from 0"
        if CONTROL.search(segment.person):
            return "has a control character in the name of a person"
        return ""


def _is_line(text: str) -> bool:
    """Whether a file can hold it as one line, and a terminal show it."""
    return text.splitlines() in ([], [text]) and not CONTROL.search(text) and not HALF.search(text)


def _is_whole(value: object) -> bool:
    try:
        return bool(value == int(value))  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return False


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def write_rows(folder: Path, clips: Iterable[SkeletonClip], columns: Columns, dtype: str) -> dict:
    """Write keypoint.npy, score.npy and clips.csv. Returns the counts and the columns for dataset.json.

    Raises ValueError naming the first clip that does not fit its columns, or has a value that cannot be kept.
    """
    joints, names, rows = len(columns.layout.joints), set(), 0
    parts = {split: Counter() for split in columns.splits}
    with ExitStack() as files:
        keypoint = files.enter_context(_growing_npy(folder / "keypoint.npy", (joints, columns.channels), dtype))
        score = files.enter_context(_growing_npy(folder / "score.npy", (joints,), dtype)) if columns.score else None
        table = files.enter_context((folder / "clips.csv").open("w", newline="", encoding="utf-8"))
        line = csv.writer(table, lineterminator="\n")
        segment = files.enter_context(_segments_csv(folder / SEGMENTS)) if columns.segments else None
        line.writerow([*COLUMNS, *columns.attributes, *columns.splits])
        for clip in clips:
            columns.check(clip)
            if clip.name in names:
                raise ValueError(f"two clips are named '{clip.name}'")
            names.add(clip.name)
            _append(clip, "keypoint", dtype, keypoint)
            if score:
                _append(clip, "score", dtype, score)
            line.writerow(_cells(clip, rows, columns))
            if segment:
                segment(clip, columns.class_names)
            rows += clip.people * clip.frames
            for split, part in clip.splits.items():
                parts[split][part] += 1
    return {
        "clips": len(names),
        "rows": rows,
        "attributes": columns.attributes,
        "splits": {split: dict(sorted(counts.items())) for split, counts in parts.items()},
    }


def _append(clip: SkeletonClip, field: str, dtype: str, append: Callable[[np.ndarray], None]) -> None:
    """Append the coordinates or scores of a clip, person after person, in blocks of frames."""
    values = getattr(clip, field)
    for person in range(clip.people):
        for frames in blocks(values):
            with np.errstate(over="ignore"):
                stored = np.ascontiguousarray(values[person, frames], dtype=dtype)
            if stored.size and not (float(stored.max()) <= LARGEST and float(stored.min()) >= -LARGEST):  # nor is NaN
                problem = _unfit(values[person, frames], stored, field, dtype, (person, frames.start))
                raise ValueError(f"clip '{clip.name}' holds {problem}")
            append(stored)


def _unfit(values: np.ndarray, stored: np.ndarray, field: str, dtype: str, first: tuple[int, int]) -> str:
    """The first value that cannot be kept, with its place. first: person and frame with which the values begin."""
    place = tuple(np.argwhere(~(np.abs(stored.astype(np.float64)) <= LARGEST))[0])
    value = values[place]
    reason = "a value that is not finite"
    if np.isfinite(value):
        reason = f"a value too large for {dtype}" if abs(value) <= LARGEST else f"{value:.3g}, which is no coordinate"
    where = f"{field}, person {first[0]}, frame {first[1] + place[0]}"
    return f"{reason} ({where}); a joint that was not seen is all zero"


def _cells(clip: SkeletonClip, offset: int, columns: Columns) -> list:
    width, height = ("", "") if clip.image_size is None else map(int, clip.image_size)
    fps = "" if clip.fps is None else repr(float(clip.fps))
    label = "" if clip.label is None else int(clip.label)
    attributes = [
        value if (value := clip.attributes[key]).__class__ is str else int(value) for key in columns.attributes
    ]
    splits = [clip.splits[key] for key in columns.splits]
    return [clip.name, label, offset, clip.people, clip.frames, fps, width, height, *attributes, *splits]


@contextmanager
def _segments_csv(path: Path) -> Iterator[Callable[[SkeletonClip, Sequence[str]], None]]:
    """A function that appends the segments of a recording to a new table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        line = csv.writer(file, lineterminator="\n")
        line.writerow(SEGMENT_COLUMNS)

        def append(clip: SkeletonClip, class_names: Sequence[str]) -> None:
            for segment in sorted(clip.segments or (), key=attrgetter("start", "end", "label", "person")):
                label = class_names[segment.label]
                line.writerow((clip.name, segment.start, segment.end, label, segment.person))

        yield append


@contextmanager
def _growing_npy(path: Path, shape: tuple[int, ...], dtype: str) -> Iterator:
    """A function that appends rows to a new .npy file; the header gets their number when the file is closed."""
    rows = 0

    def header() -> None:
        about = {"descr": np.dtype(dtype).newbyteorder("<").str, "fortran_order": False, "shape": (rows, *shape)}
        np.lib.format.write_array_header_1_0(file, about)  # leaves room for the first axis to grow

    def append(values: np.ndarray) -> None:
        nonlocal rows
        file.write(values.data)
        rows += int(values.size // np.prod(shape))

    with path.open("wb") as file:
        header()
        start = file.tell()
        yield append
        file.seek(0)
        header()
        assert file.tell() == start, "the .npy header outgrew its room"
