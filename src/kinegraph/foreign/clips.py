"""The files of clips that another project's configuration names -> a dataset folder, made once and kept.

The folder lies beside the file, or in the user's cache where nothing may be written there. Its name depends on the
files' sizes and dates and on how they are read, so a changed file is read again.
"""

import hashlib
import json
import os
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kinegraph.data.dataset import SkeletonDataset, write_dataset
from kinegraph.data.formats import options_of, recognise
from kinegraph.data.formats.padded import PART_FILE, label_file
from kinegraph.data.read import recordings
from kinegraph.data.reading.clips.published_names import ntu_class_names
from kinegraph.data.reading.clips.recordings import Recordings, facts_of
from kinegraph.data.split_names import ABSENT, column_and_part, held_out, known_split
from kinegraph.files import place_beside
from kinegraph.foreign.recipe import PARTS, Recipe, Source
from kinegraph.messages import counted, did_you_mean
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout

FORM = 2  # counts up when folders are filled otherwise
FOLDERS_ABOVE = 6  # of the config, in which a path may begin


@dataclass(frozen=True)
class Clips:
    """A dataset folder, its split, the part to test on, and what was done to make it."""

    path: Path
    split: str
    part: str | None
    said: tuple[str, ...] = ()


def split_of(recipe: Recipe) -> str:
    """The split that the training and validation parts are of, by their names."""
    named = [source.split for source in recipe.parts.values() if source.split]
    if named:
        return column_and_part(named[0])[0]
    paths = [Path(source.path) for source in recipe.parts.values()]
    return next((split for path in paths if (split := known_split(path.stem, path.parent.name))), "split")


def part_of(recipe: Recipe) -> str | None:
    """The part to test on, where the config names its list."""
    test = recipe.parts.get("test")
    return column_and_part(test.split)[1] if test and test.split else None


def open_clips(recipe: Recipe, needed: Sequence[str]) -> Clips:
    """The dataset folder of a recipe, made if it is not there yet.

    needed: the parts that have to be there; the others are taken where they are. Raises ValueError that names the place
    where a file was looked for, and the option that names it.
    """
    found = {part: path for part in PARTS if (path := _find(recipe, part, part in needed)) is not None}
    for part, path in found.items():
        _check_labels(recipe.parts[part], path)
    files = list(dict.fromkeys(found.values()))
    own = _own_split(recipe, found)
    folder = place_beside(files[0]) / f"{files[0].stem}.kinegraph-{_fingerprint(recipe, found)}"
    said = [f"clips of {part}: {path}" for part, path in found.items() if str(path) != recipe.parts[part].path]
    if not folder.exists():
        said += _make(folder, recipe, found, own)
    said.append(f"dataset folder: {folder}")
    part = part_of(recipe) if own else None
    if not own and "test" in found and not _tests_as_validated(recipe, found):
        part = "test"
    return Clips(folder, own or split_of(recipe), part, tuple(said))


# ---- where files are -------------------------------------------------------------------------------------------------


def _find(recipe: Recipe, part: str, needed: bool) -> Path | None:
    """The file of a part, from the current folder or one above the config."""
    source = recipe.parts.get(part)
    if source is None:
        if needed:
            raise ValueError(f"{recipe.path} names no {part} data; --dataset FOLDER does")
        return None
    above = list(recipe.path.resolve().parents)[:FOLDERS_ABOVE]
    places = [Path(source.path).expanduser(), *(folder / source.path for folder in above)]
    if (there := next((path for path in places if path.exists()), None)) is not None:
        return there
    if not needed:
        return None
    where = "" if Path(source.path).is_absolute() else f" in {Path.cwd()} and in the folders above {recipe.path.name}"
    hint = did_you_mean(Path(source.path).name, _names_in(places[0].parent))
    raise ValueError(
        f"{source.origin}: the {part} file {source.path} is not there, looked for{where}{hint}; "
        f"--cfg-options {source.option}=FILE names another, --dataset FOLDER a folder of `kinegraph prepare`"
    )


def _check_labels(source: Source, file: Path) -> None:
    """Raises ValueError where the labels of arrays are not those that the config names."""
    if source.labels is None or file.suffix != ".npy":
        return
    try:
        beside = label_file(file)
    except ValueError as error:
        raise ValueError(f"{source.origin}: {error}, or a link to {source.labels}, which the config names") from None
    if beside.name != Path(source.labels).name:
        raise ValueError(
            f"{source.origin}: the labels of {file.name} are read from {beside.name}, the config names "
            f"{source.labels}: give this one that name, or give --dataset FOLDER"
        )


def _names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()] if folder.is_dir() else []


def _fingerprint(recipe: Recipe, found: Mapping[str, Path]) -> str:
    files = []
    for part, path in found.items():
        lists = None if _own_split(recipe, found) else (part, recipe.parts[part].split)
        for file in (path, label_file(path)) if path.suffix == ".npy" else (path,):
            status = file.stat()
            files.append([str(file.resolve()), status.st_size, status.st_mtime_ns, lists])
    unique = [file for i, file in enumerate(files) if file not in files[:i]]
    size = recipe.dataset.get("image_size")
    parts = [FORM, unique, _reading(recipe), recipe.classes, size]
    text = json.dumps(parts, sort_keys=True, default=JointLayout.to_dict)  # a layout that the config spells out
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _reading(recipe: Recipe) -> dict[str, Any]:
    """Options of the reader: people stay in the rows of the file, as in the other projects."""
    options = {"layout": recipe.dataset.get("layout"), "bodies": "rows"}
    options["units"] = recipe.dataset.get("units")
    return {name: value for name, value in options.items() if value is not None}


# ---- the folder ------------------------------------------------------------------------------------------------------


def _own_split(recipe: Recipe, found: Mapping[str, Path]) -> str | None:
    """The split of the file itself, where all parts are lists of one file by their usual names; else None."""
    lists = {part: recipe.parts[part].split for part in found}
    if len(set(found.values())) != 1 or not all(lists.values()):
        return None
    meant = {part: column_and_part(str(name)) for part, name in lists.items()}
    columns = {column for column, _ in meant.values()}
    usual = all(
        meaning == "train" if part == "train" else meaning in ("val", "test") for part, (_, meaning) in meant.items()
    )
    return columns.pop() if len(columns) == 1 and usual else None


def _make(folder: Path, recipe: Recipe, found: Mapping[str, Path], own: str | None) -> list[str]:
    if os.environ.get("LOCAL_RANK", "0") != "0":  # the first process makes it
        while not folder.exists():
            time.sleep(0.5)
        return []
    with ExitStack() as opened:
        read: dict[Path, Recordings] = {}
        for file in dict.fromkeys(found.values()):
            options = {key: value for key, value in _reading(recipe).items() if key in _options_for(file)}
            read[file] = recordings(file, on_fault="skip", **options)
            opened.enter_context(closing(read[file].clips))  # pyright: ignore[reportArgumentType]  it is a generator
        (first, *_) = read.values()
        names = _class_names(recipe, [recordings.class_names for recordings in read.values()])
        sized: list[str] = []
        items = _with_sizes(_only_clips(first) if own else _in_parts(recipe, found, read), recipe, sized)
        try:
            dataset = write_dataset(folder, items, **facts_of(replace(first, class_names=names)))
        except ValueError:
            if folder.exists():  # another process was quicker
                return []
            raise
    lines = [f"read {counted(len(dataset), 'clip')} of {', '.join(map(str, read))}"]
    for contents in read.values():
        lines += [f"assumed: {line}" for line in contents.assumed]
        lines += [f"skipped: {line}" for line in contents.skipped()]
        lines += contents.changed()
    if sized:
        width, height = recipe.dataset["image_size"]
        lines.append(f"assumed: pictures of {width}x{height} in {counted(len(sized), 'clip')}, as PreNormalize2D does")
    return lines


def _options_for(file: Path) -> set[str]:
    return {*options_of(recognise(file)[0]), "units"}


def _class_names(recipe: Recipe, found: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """As many names as the config has classes."""
    names = max(found, key=len)
    count = recipe.classes or len(names)
    if len(names) > count and names == ntu_class_names(60):
        names = tuple(f"class {i}" for i in range(count))
    if len(names) > count:
        raise ValueError(f"{recipe.path} has {count} classes, the labels of its clips go up to {len(names) - 1}")
    if count == 120 and names == ntu_class_names(60):
        return ntu_class_names(120)
    return (*names, *(f"class {i}" for i in range(len(names), count)))


def _only_clips(recorded: Recordings) -> Generator[SkeletonClip]:
    """Faults are listed by `skipped`."""
    return (clip for clip in recorded.clips if isinstance(clip, SkeletonClip))


def _with_sizes(clips: Iterable[SkeletonClip], recipe: Recipe, sized: list[str]) -> Generator[SkeletonClip]:
    """Clips that say no size of their pictures get that of PreNormalize2D; their names are added to `sized`."""
    size = recipe.dataset.get("image_size")
    for clip in clips:
        if size is None or clip.image_size is not None:
            yield clip
        else:
            sized.append(clip.name)
            yield replace(clip, image_size=size)


def _in_parts(recipe: Recipe, found: Mapping[str, Path], read: Mapping[Path, Recordings]) -> Generator[SkeletonClip]:
    """The clips of all files, their part in one column. A clip in two parts is there twice, for each of them."""
    column, same = split_of(recipe), _tests_as_validated(recipe, found)
    names: set[str] = set()
    for file, recorded in read.items():
        parts_of = [part for part, path in found.items() if path == file and not (same and part == "test")]
        sources = {part: recipe.parts[part] for part in parts_of}
        for clip in _only_clips(recorded):
            parts = [part for part, source in sources.items() if _is_in(clip, source)]
            for part in parts or [ABSENT]:
                name = clip.name if clip.name not in names else f"{clip.name} ({part})"
                names.add(name)
                yield replace(clip, name=name, splits={column: part})


def _tests_as_validated(recipe: Recipe, found: Mapping[str, Path]) -> bool:
    """Whether validation and test are the same clips, under two names."""
    if "val" not in found or found.get("test") != found["val"]:
        return False
    return recipe.parts["test"].split == recipe.parts["val"].split


def _is_in(clip: SkeletonClip, source: Source) -> bool:
    """Whether a clip of a part's file is in the part. Arrays of all parts are read together, train_ with val_."""
    if source.split is None:
        own = PART_FILE.fullmatch(Path(source.path).name)
        return own is None or own[1] in clip.splits.values()
    column, part = column_and_part(source.split)
    return clip.splits.get(column) == part


def stored_frames(dataset: SkeletonDataset, split: str) -> int:
    """Frames of every clip, for a recipe that takes them as they are. Raises ValueError where they differ."""
    parts = dataset.parts(split)
    part = "train" if "train" in parts else held_out(parts)
    frames = np.unique(dataset.frames[dataset.indices(split, part or "train")])
    if len(frames) > 1:
        raise ValueError(
            f"the clips have {frames[0]} to {frames[-1]} frames and the config's pipeline makes them no equal number; "
            "--preprocessing.frames does"
        )
    return int(frames[0])
