"""The dataset folder: written in one pass and whole or not at all, checked on opening and while it is read.

keypoint.npy   (rows, V, C) float32 or float16; one row is one person in one frame, clip after clip, and within
               a clip person after person: clip i is rows offset[i] to offset[i] + people[i] * frames[i]
score.npy      (rows, V), the same rows, where the source has confidences
clips.csv      one row per clip: name, label, offset, people, frames, fps, width, height, its attributes, its splits
segments.csv   of long recordings, one row per segment: recording, start, end, label, person; frames, end not included
dataset.json   format and version, layout, units, class names, source, licence, counts, columns, checksums; of long
               recordings also the number of the class of nothing, where frames between segments have one
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from kinegraph.atomic import atomic_folder
from kinegraph.data.dataset_read import (
    check_finite,
    check_sums,
    open_arrays,
    read_about,
    read_clips,
    read_segments,
    sum_of,
)
from kinegraph.data.dataset_write import (
    AXES,
    DTYPES,
    FORMAT,
    UNITS,
    VERSION,
    Columns,
    check_replaceable,
    checked_class_names,
    write_rows,
)
from kinegraph.data.folds import divided
from kinegraph.data.row_file import RowFile, block_sums
from kinegraph.data.split_names import held_out, order_of
from kinegraph.files import sha256_of
from kinegraph.messages import counted, did_you_mean, first_few, quoted
from kinegraph.notebook import in_notebook
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout
from kinegraph.skeleton.segment import Segment, labels_of_frames


@dataclass(frozen=True, eq=False)
class SkeletonDataset:
    """Clips on disk: what is known about each in arrays, coordinates read when they are asked for.

    label: -1 where a clip has none. fps: NaN, image_size (width, height): 0 where unknown. offset: first row of a
    clip in keypoint.npy. attributes, splits: a value for each clip. units: of the coordinates. checksum: of all that
    decides what is learnt, the same for a copy elsewhere. segments: of each clip, where the clips are long recordings;
    None where they are clips of one action. none: class of the frames between segments; without one they are ignored.
    arrays: keypoint and score. Pickles as its path and checksum,
    so that workers read the same files.
    """

    path: Path
    layout: JointLayout
    class_names: tuple[str, ...]
    names: list[str]
    label: Int[np.ndarray, "n"]
    offset: Int[np.ndarray, "n"]
    people: Int[np.ndarray, "n"]
    frames: Int[np.ndarray, "n"]
    fps: Float[np.ndarray, "n"]
    image_size: Int[np.ndarray, "n 2"]
    attributes: dict[str, np.ndarray]
    splits: dict[str, np.ndarray]
    units: str
    source: str
    licence: str
    dtype: str
    channels: int
    has_score: bool
    checksum: str
    arrays: dict[str, RowFile]
    segments: tuple[tuple[Segment, ...], ...] | None = None
    none: int | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[SkeletonClip]:
        return (self[index] for index in range(len(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._places

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def __repr__(self) -> str:
        classes = "no classes" if not self.class_names else counted(len(self.class_names), "class", "classes")
        splits = f", splits {', '.join(self.splits)}" if self.splits else ""
        about = f"{self.layout.name}, {self.channels}D in {self.units}"
        return f"SkeletonDataset({str(self.path)!r}: {counted(len(self), 'clip')}, {classes}, {about}{splits})"

    def _repr_html_(self) -> str:
        return in_notebook(self)

    @property
    def clips(self) -> dict[str, list[Any]]:
        """What is known of each clip, as columns: `pandas.DataFrame(dataset.clips)`, and likewise of polars."""
        classes = [self.class_names[label] if label >= 0 else "" for label in self.label.tolist()]
        known = {"name": list(self.names), "label": self.label.tolist(), "class": classes}
        known |= {"people": self.people.tolist(), "frames": self.frames.tolist(), "fps": self.fps.tolist()}
        own = {**self.attributes, **self.splits}
        return known | {name: values.tolist() for name, values in own.items() if name not in known}

    @overload
    def __getitem__(self, index: SupportsIndex | str) -> SkeletonClip: ...
    @overload
    def __getitem__(self, index: slice) -> list[SkeletonClip]: ...

    def __getitem__(self, index: SupportsIndex | str | slice) -> SkeletonClip | list[SkeletonClip]:
        """Clip `index`, from the end if negative, or the clip of that name; coordinates as float32, in `units`.

        A slice gives a list of clips. Raises ValueError naming a clip that is not finite, IndexError and KeyError where
        there is none, TypeError for anything else.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        index = self._number_of(index)
        people, frames = int(self.people[index]), int(self.frames[index])
        label, fps = int(self.label[index]), float(self.fps[index])
        keypoint = self.rows(index).astype(np.float32, copy=False)
        keypoint = keypoint.reshape(people, frames, *keypoint.shape[1:])
        score = None
        if self.has_score:
            rows = self.arrays["score"].read(*self._span(index))
            score = rows.astype(np.float32, copy=False).reshape(keypoint.shape[:3])
        if not np.isfinite(keypoint).all() or (score is not None and not np.isfinite(score).all()):
            raise ValueError(f"{self.path}: clip '{self.names[index]}' holds values that are not finite")
        width, height = self.image_size[index].tolist()
        return SkeletonClip(
            keypoint=keypoint,
            layout=self.layout,
            name=self.names[index],
            label=label if label >= 0 else None,
            score=score,
            fps=None if fps != fps else fps,
            image_size=(width, height) if width else None,
            attributes={key: values[index].item() for key, values in self.attributes.items()},
            splits={key: str(values[index]) for key, values in self.splits.items()},
            segments=None if self.segments is None else self.segments[index],
        )

    def _number_of(self, clip: SupportsIndex | str) -> int:
        """The number of a clip, from 0, given by it or by name."""
        if isinstance(clip, str):
            if clip not in self._places:
                hint = did_you_mean(clip, self.names) or f"; its clips are {first_few(self.names)}"
                if clip in self.class_names:
                    of_class = [self.names[i] for i in np.flatnonzero(self.label == self.class_names.index(clip))]
                    hint = f"; that is a class, its clips are {first_few(of_class)}"
                raise KeyError(f"there is no clip '{clip}' in {self.path}{hint}")
            return self._places[clip]
        if not isinstance(clip, int | np.integer):
            raise TypeError(f"dataset[...] takes a number, a name or a slice, found {clip!r}")
        if not -len(self) <= clip < len(self):
            raise IndexError(f"clip {clip} of {len(self)}")
        return int(clip) % len(self)

    def rows(self, index: int) -> Float[np.ndarray, "rows V C"]:
        """The coordinates of clip `index` as they lie on disk: person after person, frame after frame."""
        return self.arrays["keypoint"].read(*self._span(index))

    def _span(self, index: int) -> tuple[int, int]:
        start = int(self.offset[index])
        return start, start + int(self.people[index]) * int(self.frames[index])

    def labels_of(self, index: int) -> Bool[np.ndarray, "T classes"]:
        """The classes of each frame of a long recording. Raises ValueError where clips have one label each."""
        if self.segments is None:
            raise ValueError(
                f"{self.path} has no segments.csv, its clips have one label each; "
                "`kinegraph prepare PATH OUT --segments TABLE` adds start, end and label"
            )
        return labels_of_frames(self.segments[index], int(self.frames[index]), len(self.class_names))

    def without_scores(self) -> "SkeletonDataset":
        """The same clips without confidences, for a network that was trained without."""
        return replace(self, has_score=False)

    def __reduce__(self) -> tuple[Callable[[Path, str, bool], "SkeletonDataset"], tuple[Path, str, bool]]:
        return _opened_again, (self.path, self.checksum, self.has_score)

    def parts(self, split: str) -> tuple[str, ...]:
        """The parts of a split, such as ("train", "val", "test"), in this order.

        Raises ValueError naming the splits that there are.
        """
        return tuple(sorted(np.unique(self.part_of(split)).tolist(), key=order_of))

    def part_of(self, split: str) -> Shaped[np.ndarray, "n"]:
        """The part of each clip in a split, one of `splits` or of the forms of `data.folds`, such as "subject=5,6".

        Raises ValueError naming the splits that there are.
        """
        if split in self.splits:
            return self.splits[split]
        try:
            parts = divided(split, self.splits, self.attributes, self.label)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        if parts is None:
            no = "it has no splits: prepare makes one with --val-share 0.2"
            there = f"its splits are {', '.join(self.splits)}" if self.splits else no
            only = f" (--split {next(iter(self.splits))})" if len(self.splits) == 1 else ""
            more = "ATTRIBUTE=VALUE, such as subject=3, makes one"
            more += ", and so does `kinegraph prepare ... --val-share 0.2`" if not self.splits else ""
            raise ValueError(f"{self.path} has no split '{split}'; {there}{only}; {more}")
        return parts

    def held_out(self, split: str) -> str:
        """The part of a split that figures are measured on: val, or test where there is no val.

        Raises ValueError naming the splits or parts that there are.
        """
        parts = self.parts(split)
        if (part := held_out(parts)) is None:
            raise ValueError(
                f"{self.path}: split '{split}' has neither a part 'val' nor 'test', only {', '.join(parts)}"
            )
        return part

    def indices(self, split: str, part: str) -> Int[np.ndarray, "clips"]:
        """Numbers of the clips in a part of a split, in dataset order.

        Raises ValueError naming the splits or parts that there are.
        """
        if part not in (parts := self.parts(split)):
            raise ValueError(f"{self.path}: split '{split}' has no part '{part}'; its parts are {', '.join(parts)}")
        return np.flatnonzero(self.part_of(split) == part)


def open_dataset(path: str | Path, check_values: bool = False) -> SkeletonDataset:
    """Open a dataset folder and check that its files fit together; coordinates stay on disk.

    check_values: also read every coordinate, for values that are not finite and for changes since it was written.
    Raises ValueError naming the file, and the clip where one is wrong.
    """
    path = Path(path).resolve()
    about = read_about(path)
    arrays = open_arrays(path, about)
    fields = read_clips(path, about)
    check_sums(path, about, ["clips.csv"])  # after that, which names the clip that is wrong
    names = tuple(about["class_names"])
    segments = read_segments(path, about, fields["names"], fields["frames"])
    same = {key: about[key] for key in ("layout", "units", "source", "licence", "dtype", "channels", "checksum")}
    same |= {"has_score": about["score"], "segments": segments, "none": about.get("none")}
    dataset = SkeletonDataset(path, class_names=names, arrays=arrays, **same, **fields)
    if check_values:
        for rows in arrays.values():
            check_finite(rows, dataset.names, dataset.offset)
        check_sums(path, about)
        for rows in arrays.values():
            rows.trust()
    return dataset


def _opened_again(path: Path, checksum: str, has_score: bool) -> SkeletonDataset:
    """The dataset in another process. Raises ValueError where it is no longer the same."""
    dataset = open_dataset(path)
    if dataset.checksum != checksum:
        raise ValueError(f"{path} was replaced by another dataset while it was in use")
    return replace(dataset, has_score=has_score)


def write_dataset(
    path: str | Path,
    clips: Iterable[SkeletonClip],
    *,
    layout: JointLayout | str | Path,
    class_names: Iterable[str],
    units: str,
    source: str,
    licence: str = "",
    dtype: str = "float32",
    none: int | np.integer[Any] | None = None,
    overwrite: bool = False,
) -> SkeletonDataset:
    """Write clips to a new dataset folder, in one pass, and open it. Memory does not grow with their coordinates.

    Everything goes to a folder `.NAME.partial-...` beside `path`, which takes its name when complete: neither an
    error nor a killed run leaves half a dataset or harms the one that `overwrite` would replace.
    layout: of every clip, or its name or YAML file. class_names: in the order of the labels. units: of all clips, "m",
        "px" or, where they are neither any more, "normalised". source, licence: where they are from and what may be
        done with them, for people. none: number of the class of frames between segments. dtype: float16 halves the
        size and keeps about 3 digits. overwrite: replace a dataset that is there.
    Raises ValueError when there are no clips, `path` is taken, units are unknown or two classes have one name, and
    naming the first clip that is not finite, has another layout, or other channels, attributes or splits than the
    first, a label outside the classes or a name already taken. Raises OSError when the disk is full.
    """
    path, class_names = Path(path).resolve(), checked_class_names(class_names)
    if not isinstance(layout, JointLayout):
        layout = load_layout(layout)
    _check_facts({"dtype": dtype, "units": units}, {"source": source, "licence": licence}, none, len(class_names))
    check_replaceable(path, overwrite)
    clips = iter(clips)
    if (first := next(clips, None)) is None:
        raise ValueError(f"there are no clips to write to {path}")
    with atomic_folder(path, partial(check_replaceable, overwrite=overwrite)) as folder:
        columns = Columns.of(first, layout, class_names)
        written = write_rows(folder, chain([first], clips), columns, dtype)
        about = {
            "format": FORMAT,
            "version": VERSION,
            "source": source,
            "licence": licence,
            "units": units,
            "axes": AXES,
            "dtype": dtype,
            "channels": columns.channels,
            "score": columns.score,
            **written,
            "class_names": list(class_names),
            "layout": layout.to_dict(),
            "crc32": {file.name: block_sums(file) for file in sorted(folder.glob("*.npy"))},
            **({} if none is None else {"none": int(none)}),
            "sha256": {file.name: sha256_of(file) for file in sorted(folder.iterdir())},
        }
        about["sha256_of_this"] = sum_of(about)
        text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
        (folder / "dataset.json").write_text(text, encoding="utf-8")
        read_clips(folder, read_about(folder))  # what cannot be read again replaces nothing
    return open_dataset(path)


def _check_facts(
    words: Mapping[str, str], texts: Mapping[str, str], none: int | np.integer[Any] | None, classes: int
) -> None:
    """Raises ValueError for a fact of all clips that is none of the known words, no text, or no class."""
    for what, known in (("dtype", DTYPES), ("units", UNITS)):
        if words[what] not in known:
            raise ValueError(f"{what} is '{words[what]}', expected {' or '.join(known)}")
    for what, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"{what} is {quoted(text)}, expected a text")
    if none is not None and (not isinstance(none, int | np.integer) or not 0 <= none < classes):
        raise ValueError(f"none is {quoted(none)}, expected the number of a class, 0 to {classes - 1}")
