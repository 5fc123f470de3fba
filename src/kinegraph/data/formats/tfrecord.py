"""Shards of the TensorFlow project's pipeline, read without TensorFlow.

A folder of `<name>-<shard>.tfrecord`, one `tf.train.Example` a clip:

    features   a serialised float32 tensor (C, T, V, M): (3, 300, 25, 2), zero where no frame or second person is
    label      an integer from 0

Shards whose name begins with train or val, or that lie in a folder such as train_data, make a split. What
`kinegraph convert` writes (`write_tfrecords`) has more, which TensorFlow's parser passes over and which brings every
clip back as it was: name, frames, people, in 2D width and height, and beside the shards `kinegraph.json` with layout,
class names and what else is known of the clips.

Source: itskalvik/ST-GCN, data_gen/gen_tfrecord_data.py and main.py. Its own shards hold joints that are centred, turned
and repeated to 300 frames.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from kinegraph.atomic import atomic_folder
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.data.folders import files_below
from kinegraph.data.formats.padded import unpadded
from kinegraph.data.formats.padded_write import check_fits, padded
from kinegraph.data.reading.clips.conventions import layout_for, names_of_classes
from kinegraph.data.reading.clips.recordings import Item, Recordings, Unread, spread
from kinegraph.data.reading.faults import Fault
from kinegraph.data.reading.files.tfrecord_wire import (
    count_records,
    parse_example,
    parse_tensor,
    read_records,
    serialize_example,
    serialize_tensor,
    write_record,
)
from kinegraph.data.reading.steps.companion import FILE, about_text, beside, completed, read_about
from kinegraph.data.reading.steps.people import BodyPolicy
from kinegraph.data.split_names import PARTS, known_split
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

NAME = "tfrecord"
TITLE = "TFRecord shards"
SUFFIXES = (".tfrecord",)
PART = re.compile(rf"({'|'.join(PARTS)})(?![a-z]).*", re.IGNORECASE)
PART_FOLDER = re.compile(rf"({'|'.join(PARTS)})([_-]data)?", re.IGNORECASE)
SHARD = re.compile(r"(.*)-(\d+)")
LOOKED_AT = 20  # clips that show whether a third channel is a score
MOST_SHARDS = 10_000  # files a part, written


@dataclass(frozen=True, eq=False)
class Contents:
    """What all examples of some shards have in common. channels: with the score, if `scored` says that it is the last.

    column: the split of the shards that are named after a part.
    """

    layout: JointLayout
    channels: int
    scored: bool
    class_names: tuple[str, ...]
    column: str


def detect(path: Path) -> str | None:
    """A .tfrecord, or a folder with some at any depth."""
    if path.is_file():
        return "ends in .tfrecord" if path.suffix.lower() == ".tfrecord" else None
    return "holds .tfrecord shards" if next(files_below(path, "*.tfrecord"), None) else None


def read(
    path: Path,
    *,
    layout: str | None = None,
    class_names: str | None = None,
    split_name: str | None = None,
    sample: int | None = None,
    bodies: BodyPolicy = "tracked",
) -> Recordings:
    """The clips of a folder of shards, or of one; shards are read in the order of their numbers, one record at a time.

    split_name: of train and val shards, by default xsub, xview or xset if a folder's name says so, else split.
    class_names: see `names_of_classes`; by default NTU RGB+D 60's, where the joints are the Kinect's 25.
    sample: give the joints of so many clips only.
    bodies: "tracked" follows people who change rows, "rows" leaves everybody in the row of the file.
    Raises ValueError naming file, record, byte and reason at the first record that is broken or of another shape.
    """
    shards, around = _shards(path), _folders(path)
    about = read_about(beside(around[0])) or read_about(beside(around[1]))  # where `kinegraph convert` wrote the shards
    of, channels, scored = _kind(shards, about, layout)
    names = tuple(about["class_names"]) if about and class_names is None else _class_names(class_names, of)
    column = split_name or about.get("split") or known_split(*(folder.name for folder in around)) or "split"
    contents = Contents(of, channels, scored, names, column)

    clips = sum(map(count_records, shards))
    items = _clips(shards, contents, spread(clips, sample))
    return Recordings(
        clips=(completed(item, about) if isinstance(item, SkeletonClip) else item for item in items),
        count=clips,
        layout=of,
        class_names=names,
        units=about.get("units", "normalised"),
        source=about.get("source") or f"TFRecord shards of {path.name}",
        licence=about.get("licence", ""),
        unordered=bodies == "tracked" and not about,
        as_arrays=True,
        guessed=frozenset() if about else frozenset(("score",) if layout else ("score", "layout", "usual_layout")),
    )


def _shards(raw: Path) -> dict[Path, str | None]:
    """The files in the order in which they are read, and the part of a split that each is."""
    if not raw.exists():
        raise ValueError(f"there is no file or folder {raw}")
    files = [raw] if raw.is_file() else list(files_below(raw, "*.tfrecord"))
    if not files:
        raise ValueError(f"there is no .tfrecord file in {raw} or its subfolders")
    parts = {file: _part(file) for file in sorted(files, key=_order)}
    if None in parts.values() and any(parts.values()):
        lost = next(file for file, part in parts.items() if part is None)
        raise ValueError(f"{lost} is neither train nor val by its name or its folder's, but other shards are")
    return parts


def _order(file: Path) -> tuple[str, str, int]:
    numbered = SHARD.fullmatch(file.stem)
    return (str(file.parent), numbered[1], int(numbered[2])) if numbered else (str(file.parent), file.stem, -1)


def _part(file: Path) -> str | None:
    found = PART.fullmatch(file.stem) or PART_FOLDER.fullmatch(file.absolute().parent.name)
    return found[1].lower() if found else None


def _folders(raw: Path) -> list[Path]:
    """The folder and the one around it."""
    folder = raw.absolute() if raw.is_dir() else raw.absolute().parent
    return [folder, folder.parent]


def _kind(shards: Iterable[Path], about: Mapping, given: str | None) -> tuple[JointLayout, int, bool]:
    """The layout, the number of channels and whether the last is a score, from the first clips."""
    first = [array for array, _, _ in islice(chain.from_iterable(map(_arrays, shards)), LOOKED_AT)]
    if not first:
        raise ValueError(f"there is no record in {next(iter(shards))} or any other shard")
    channels, _, joints, _ = first[0].shape
    scored = bool(about) and about["score"]
    if channels - scored not in (2, 3):
        raise ValueError(f"the clips have {channels} channels, expected (x, y), (x, y, z) or (x, y, score)")
    if about and given is None:
        return about["layout"], channels, scored
    return layout_for(joints, given), channels, scored


def _class_names(given: str | None, layout: JointLayout) -> tuple[str, ...]:
    if given is None and len(layout) != 25:
        raise ValueError("the shards do not name their classes; give --class-names, a text file with one a line")
    return names_of_classes(given or "ntu60", (), ())


def _arrays(path: Path) -> Iterator[tuple[Float[np.ndarray, "C T V M"], int, dict]]:
    """Each example's tensor, label and other features. Raises ValueError naming the record that is not as expected."""
    for number, (start, data) in enumerate(read_records(path)):
        try:
            example = parse_example(data)
            for name, kind in {"features": bytes, "label": int}.items():
                if [type(value) for value in example.get(name, ())] != [kind]:
                    raise ValueError(
                        f"its '{name}' is not one value, expected a serialised tensor and an integer label"
                    )
            array = parse_tensor(example["features"][0])
            if array.ndim != 4 or 0 in array.shape:
                raise ValueError(f"its tensor has shape {array.shape}, expected (channels, frames, joints, people)")
        except ValueError as error:
            raise ValueError(f"{path}: record {number} at byte {start:,}: {error}") from None
        yield array, example["label"][0], {name: values[0] for name, values in example.items() if values}


def _clips(shards: Mapping[Path, str | None], contents: Contents, chosen: frozenset[int]) -> Iterator[Item]:
    """The clips of all shards. A broken record ends its shard: where the next one begins is not known."""
    alike = len({path.stem for path in shards}) < len(shards)
    place = count()  # of a clip among those of all shards
    for path, part in shards.items():
        folder = f"{path.parent.name}/" if alike else ""
        splits = {contents.column: part} if part else {}
        try:
            for number, example in enumerate(_arrays(path)):
                name = f"{folder}{path.stem}-{number:06}"
                if next(place) in chosen:
                    yield _clip(example, contents, name, f"{path}: record {number}", splits)
                else:
                    yield Unread(name, example[1], splits=splits)
        except ValueError as error:
            yield Fault(str(error))


def _clip(
    example: tuple[Float[np.ndarray, "C T V M"], int, dict],
    contents: Contents,
    name: str,
    where: str,
    splits: dict[str, str],
) -> Item:
    """The clip of an example. name: where the example has none."""
    array, label, more = example
    given = more.get("name")
    name = given.decode("utf-8", "replace") if isinstance(given, bytes) else name
    joints, channels = len(contents.layout), contents.channels
    if (array.shape[0], array.shape[2]) != (channels, joints):
        found = f"{array.shape[2]} joints in {array.shape[0]} channels"
        return Fault(f"{where} has {found}, the first one {joints} in {channels}", name, "joints")
    keypoint = _there(array, more)
    keypoint, score = (keypoint[..., :-1], keypoint[..., -1]) if contents.scored else (keypoint, None)
    width, height = (more.get(side) if isinstance(more.get(side), int) else 0 for side in ("width", "height"))
    return SkeletonClip(
        keypoint=keypoint,
        layout=contents.layout,
        name=name,
        label=label,
        score=score,
        image_size=(width, height) if width and height else None,
        splits=splits,
    )


def _there(array: Float[np.ndarray, "C T V M"], more: Mapping) -> Float[np.ndarray, "m t V C"]:
    """The frames and people of an example: the stated number, or without one all that are not zero."""
    keypoint = array.transpose(3, 1, 2, 0).astype(np.float32)
    if all(isinstance(more.get(what), int) and more[what] > 0 for what in ("people", "frames")):
        return keypoint[: more["people"], : more["frames"]]
    return unpadded(keypoint)


# ---- a dataset as shards ---------------------------------------------------------------------------------------------


def write_tfrecords(
    folder: Path,
    dataset: SkeletonDataset,
    parts: Mapping[str, Int[np.ndarray, "n"]],
    *,
    split: str | None = None,
    shards: int = 40,
    frames: int = 300,
    people: int = 2,
    shuffle_seed: int | None = None,
    replaceable: Callable[[Path], None] | None = None,
) -> None:
    """Write the clips of each part to PART_data/PART_data_joint-<shard>.tfrecord, folders that the project trains on.

    parts: name of a part -> its clips; under the name "" they go to data_joint-<shard>.tfrecord. split: what they are
    the parts of. A part of fewer clips than shards makes one a clip. shuffle_seed: mixes the clips of a part; the
    project's training shuffles batches only, and needs it. replaceable: see `atomic_folder`.
    Coordinates are those of the dataset; what else is known of the clips goes to kinegraph.json. One clip is in memory
    at a time.
    Raises ValueError naming a clip that is too long, has too many people or no label.
    """
    if not 1 <= shards <= MOST_SHARDS:
        raise ValueError(f"{shards} shards a part, expected 1 to {MOST_SHARDS:,}")
    if other := [part for part in parts if part and part not in PARTS]:
        raise ValueError(f"a part is named '{other[0]}', shards are named by {', '.join(PARTS)}")
    written = np.concatenate(list(parts.values()))
    check_fits(folder, dataset, written, frames, people)
    generator = np.random.default_rng(shuffle_seed)
    with atomic_folder(folder, replaceable) as unfinished:
        for part, clips in parts.items():
            inside = unfinished / f"{part}_data" if part else unfinished
            inside.mkdir(exist_ok=True)
            clips = clips if shuffle_seed is None else generator.permutation(clips)
            for number, some in enumerate(_shares(clips, shards)):
                name = f"{part}_data_joint-{number}.tfrecord" if part else f"data_joint-{number}.tfrecord"
                with (inside / name).open("wb") as file:
                    for i in some:
                        write_record(file, _example(dataset[int(i)], frames, people))
        (unfinished / FILE).write_text(about_text(dataset, written, split), encoding="utf-8")


def is_shard_folder(folder: Path) -> bool:
    """Whether a folder holds nothing but what `write_tfrecords` writes."""
    files = [file for file in folder.rglob("*") if not file.is_dir()]
    return (folder / FILE).is_file() and all(file.name == FILE or file.suffix == ".tfrecord" for file in files)


def _shares(clips: Int[np.ndarray, "n"], shards: int) -> Iterator[Int[np.ndarray, "m"]]:
    """Equal shares in order; the last takes the rest, as in the TensorFlow project."""
    shards = min(shards, len(clips))
    for shard in range(shards):
        step = len(clips) // shards
        yield clips[step * shard : step * (shard + 1) if shard < shards - 1 else None]


def _example(clip: SkeletonClip, frames: int, people: int) -> bytes:
    features = {"features": serialize_tensor(padded(clip, frames, people)), "label": clip.label}
    features |= {"name": clip.name.encode(), "frames": clip.frames, "people": clip.people}
    if clip.image_size is not None:
        features |= dict(zip(("width", "height"), clip.image_size, strict=True))
    return serialize_example(features)
