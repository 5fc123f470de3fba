"""`kinegraph train --train-data-path A --test-data-path B`: the TensorFlow project's options, and what stands there.

They name folders of recordings of any format, mostly TFRecord shards. A dataset folder is made of both once, and kept
beside the first, or in the user's cache where nothing may be written there. Its name depends on the files' sizes and
dates, so that changed files are read again.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from kinegraph.data.dataset import write_dataset
from kinegraph.data.folders import files_below
from kinegraph.data.formats import folder as dataset_folder
from kinegraph.data.formats import options_of, recognise
from kinegraph.data.read import recordings
from kinegraph.data.reading.clips.recordings import Recordings, facts_of
from kinegraph.data.split_names import known_split
from kinegraph.files import place_beside
from kinegraph.messages import counted
from kinegraph.skeleton.clip import SkeletonClip

DATA_PATHS = {"--train-data-path": "train", "--test-data-path": "val"}  # option -> part of the split
FORM = 1  # counts up when folders are filled otherwise


def with_dataset(argv: Sequence[str]) -> list[str]:
    """The words of `kinegraph train` with the two options: they become --dataset and --split.

    Raises ValueError where one of them is missing, nothing is at its path, or a dataset folder is named too.
    """
    paths, rest = _taken_out(argv)
    if named := next((word for word in rest if word.partition("=")[0] == "--dataset"), None):
        raise ValueError(f"{named.partition('=')[0]} and --train-data-path both name the clips; give one of them")
    if lacking := [option for option, part in DATA_PATHS.items() if part not in paths]:
        raise ValueError(f"{lacking[0]} is missing; training needs both {' and '.join(DATA_PATHS)}")
    for part, path in paths.items():
        if not path.exists():
            option = next(option for option, of in DATA_PATHS.items() if of == part)
            raise ValueError(f"{option}: there is no file or folder {path}")
        if path.is_dir() and dataset_folder.detect(path):
            raise ValueError(f"{path} is a dataset folder; --dataset {path} trains on it")
    split = _value_of("--split", rest) or _split_of(paths)
    return [*rest, "--dataset", str(_dataset(paths, split)), "--split", split]


def _taken_out(argv: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    """The paths by part, and the other words."""
    paths: dict[str, Path] = {}
    others, rest = [], list(argv)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        part = DATA_PATHS.get(name.replace("_", "-"))
        if part is None:
            others.append(word)
            continue
        if not equals and (not rest or rest[0].startswith("--")):
            raise ValueError(f"{name} is there without a value; give a folder")
        paths[part] = Path(value if equals else rest.pop(0)).expanduser()
    return paths, others


def _value_of(option: str, words: Sequence[str]) -> str:
    for word, after in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name == option:
            return value if equals else after
    return ""


def _split_of(paths: Mapping[str, Path]) -> str:
    """xsub, xview or xset where a folder's name says so, as in data/ntu/xview/train_data."""
    names = (name for path in paths.values() for name in (path.absolute().name, path.absolute().parent.name))
    return known_split(*names) or "split"


# ---- the folder ------------------------------------------------------------------------------------------------------


def _dataset(paths: Mapping[str, Path], split: str) -> Path:
    """The dataset folder of both parts, made where it is not there yet."""
    first = paths["train"].absolute()
    folder = place_beside(first) / f"{first.name}.kinegraph-{_fingerprint(paths, split)}"
    if not folder.exists():
        if os.environ.get("LOCAL_RANK", "0") != "0":  # the first process makes it
            while not folder.exists():
                time.sleep(0.5)
        else:
            _make(folder, paths, split)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"dataset folder: {folder}", flush=True)
    return folder


def _fingerprint(paths: Mapping[str, Path], split: str) -> str:
    facts = []
    for part, path in paths.items():
        for file in sorted(files_below(path, "*")) if path.is_dir() else [path]:
            status = file.stat()
            facts.append([part, str(file.resolve()), status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps([FORM, split, facts]).encode()).hexdigest()[:8]


def _make(folder: Path, paths: Mapping[str, Path], split: str) -> None:
    with ExitStack() as opened:
        read: dict[str, Recordings] = {}
        for part, path in paths.items():
            own = {"bodies": "rows"} if "bodies" in options_of(recognise(path)[0]) else {}  # as published
            read[part] = recordings(path, **own)
            opened.enter_context(closing(read[part].clips))
        train, val = read.values()
        if train.layout.joints != val.layout.joints:
            raise ValueError(
                f"{paths['train']} has joints of layout '{train.layout.name}', {paths['val']} those of "
                f"'{val.layout.name}'; expected the same joints in both"
            )
        if train.class_names != val.class_names:
            raise ValueError(f"{paths['train']} and {paths['val']} have different classes; expected the same in both")
        dataset = write_dataset(folder, _in_parts(read, split), **facts_of(train))
    print(f"read {counted(len(dataset), 'clip')} of {' and '.join(map(str, paths.values()))}")
    for recorded in read.values():
        for line in recorded.assumed:
            print(f"assumed: {line}")
        for line in [*recorded.skipped(), *recorded.changed()]:
            print(f"note: {line}")


def _in_parts(read: Mapping[str, Recordings], split: str) -> Iterator[SkeletonClip]:
    """The clips, each with the part of its path. A name that occurs twice is completed by the part."""
    names: set[str] = set()
    for part, recorded in read.items():
        for clip in recorded.clips:
            if isinstance(clip, SkeletonClip):
                name = clip.name if clip.name not in names else f"{clip.name} ({part})"
                names.add(name)
                yield replace(clip, name=name, splits={split: part})
