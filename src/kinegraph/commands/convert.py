"""`kinegraph convert`: a dataset folder or a checkpoint -> that of another project, so that nothing is locked in."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from jaxtyping import Int
from rich.console import Console

from kinegraph.commands.foreign_config import convert_config
from kinegraph.data.dataset import SkeletonDataset, open_dataset, write_dataset
from kinegraph.data.formats import folder
from kinegraph.data.formats.annotations_write import write_annotation_list, write_annotations
from kinegraph.data.formats.arrays import write_arrays
from kinegraph.data.formats.movement import is_movement_folder, write_movement
from kinegraph.data.formats.padded_write import is_padded_folder, write_padded
from kinegraph.data.formats.table import write_table
from kinegraph.data.formats.tfrecord import is_shard_folder, write_tfrecords
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.data.read import recordings
from kinegraph.data.reading.clips.conventions import names_of_classes
from kinegraph.data.reading.clips.recordings import facts_of
from kinegraph.data.reading.steps.companion import beside
from kinegraph.data.split_names import ABSENT
from kinegraph.foreign.read import is_foreign
from kinegraph.messages import first_few
from kinegraph.models.weights_path import find_index
from kinegraph.skeleton.layout import load_layout

Format = Literal["pyskl", "mmaction0", "npy", "tfrecord", "table", "npz", "movement"]
FILES = {"pyskl": ".pkl", "mmaction0": ".pkl", "table": ".csv", "npz": ".npz"}  # format -> the end of its one file
CHECKPOINTS = (".safetensors", ".pth", ".pt", ".ckpt")
Dialect = Literal[
    "2s-agcn",
    "ctr-gcn",
    "mmaction0",
    "mmaction1",
    "ms-g3d",
    "protogcn",
    "pyskl",
    "skateformer",
    "stgcn2018",
    "tensorflow",
]
# format -> what of the options below it takes
OPTIONS = {
    "pyskl": (),
    "mmaction0": ("split", "part"),
    "npy": ("split", "part", "frames", "people"),
    "tfrecord": ("split", "part", "frames", "people", "shards", "shuffle_seed"),
    "table": (),
    "npz": (),
    "movement": (),
}


def convert(
    path: Path,
    out: Path,
    *,
    format: Format = "pyskl",
    split: str | None = None,
    part: str | None = None,
    frames: int | None = None,
    people: int | None = None,
    shards: int | None = None,
    shuffle_seed: int | None = None,
    to: Dialect | None = None,
    layout: str | None = None,
    class_names: str | None = None,
    preprocessing: Preprocessing | None = None,
    strides: list[int] | None = None,
    half: bool = False,
    plugins: list[Path] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a dataset as another project's files, which `kinegraph prepare` reads back; a checkpoint as another's; or
    another project's config as ours.

    Args:
        path: dataset folder that `kinegraph prepare` made, or recordings of any format that it reads; or a checkpoint
            of another project (.pth; TensorFlow's .index or its folder) or of Kinegraph (.safetensors); or a config of
            MMAction2, PYSKL or ProtoGCN (.py), of yysijie/st-gcn, 2s-AGCN, MS-G3D, CTR-GCN or mmskeleton (.yaml).
        out: file to write for pyskl and mmaction0 (.pkl), table (.csv) and npz, folder for npy, tfrecord and
            movement; of a checkpoint, a .safetensors file, or with --to a .pth, for tensorflow a folder; of a config, a
            .yaml. Written completely or not at all.
        format: pyskl is the pickle {split, annotations} of PYSKL and MMAction2 1.x; mmaction0 is the list of MMAction2
            0.x, of one part of a split; npy are the arrays *_data_joint.npy and *_label.pkl of 2s-AGCN; tfrecord are
            the shards of the TensorFlow project; table is a CSV with one row per joint; npz are arrays of one person a
            clip; movement are the netCDF files of that package, one a clip (needs the extra `formats`).
        split: mmaction0, npy, tfrecord: the split whose parts are written apart, by default the only one there is.
        part: mmaction0, npy, tfrecord: only this part of the split.
        frames: npy, tfrecord: frames of every clip, 300 by default; shorter ones are followed by zeros.
        people: npy, tfrecord: people of every clip, 2 by default.
        shards: tfrecord: files a part, 40 by default.
        shuffle_seed: tfrecord: mix the clips of each part; in the dataset's order by default.
        to: checkpoint: write it for yysijie/st-gcn (stgcn2018), MMAction2 0.x, 1.x, PYSKL, ProtoGCN, SkateFormer,
            itskalvik/ST-GCN (tensorflow) or the authors of 2s-AGCN, CTR-GCN, MS-G3D; else for Kinegraph.
        layout: joints of a checkpoint, or of recordings whose files do not name them: a built-in layout's name or a
            YAML file; by default a checkpoint's is the one with its graph.
        class_names: text file with one class name per line, or ntu60, ntu120, babel60, babel120; by default a
            checkpoint's classes are numbered. Of a .safetensors file: other names of its classes, in their order.
        preprocessing: checkpoint: how clips are prepared for it, which published files do not contain and `test` needs.
        strides: checkpoint: of each block in time; by default 2 where the width doubles.
        half: checkpoint: for Kinegraph, in half the room (float16); also of a .safetensors file.
        plugins: Python files that define the network, where a .safetensors file names one of your own.
        overwrite: replace what is already in out.

    Examples:
        kinegraph convert data/ntu60 ntu60.pkl                                        for PYSKL and MMAction2 1.x
        kinegraph convert gestures.csv gestures.pkl                                   without a dataset folder
        kinegraph convert data/mice mice_nc --format movement                         for movement; one file per clip
        kinegraph convert data/ntu60 ntu60_xsub_train.pkl --format mmaction0 --split xsub --part train
        kinegraph convert data/ntu60 ntu60_npy --format npy --split xsub
        kinegraph convert stgcn.pth stgcn.safetensors --class-names ntu60             a published checkpoint
        kinegraph convert best.safetensors mine.pth --to pyskl                        and back
        kinegraph convert best.safetensors spanish.safetensors --class-names es.txt   classes in another language
        kinegraph convert stgcn_80e_ntu60_xsub_keypoint.py mine.yaml                  a config of MMAction2
    """
    options = {"split": split, "part": part, "frames": frames, "people": people}
    options |= {"shards": shards, "shuffle_seed": shuffle_seed}
    given = {name: value for name, value in options.items() if value is not None}
    of_weights = {"to": to, "layout": layout, "class_names": class_names, "preprocessing": preprocessing}
    of_weights |= {"strides": strides, "half": half or None}
    if is_foreign(path):
        _check_none(
            given | {name: value for name, value in of_weights.items() if value is not None},
            "a dataset or checkpoint",
            path,
        )
        convert_config(path, out, overwrite)
        return
    if is_checkpoint(path):
        _check_none(given, "a dataset folder", path)
        print(convert_weights(path, out, overwrite=overwrite, **of_weights))
        return
    for_recordings = {name: of_weights.pop(name) for name in ("layout", "class_names")}
    _check_none({name: value for name, value in of_weights.items() if value is not None}, "a checkpoint", path)
    _check_options(given, format)
    if not path.exists():
        raise ValueError(f"there is no file or folder {path}")
    if not out.parent.is_dir():
        raise ValueError(f"there is no folder {out.parent}")
    if (end := FILES.get(format)) and out.suffix != end and not out.exists():
        others = [name for name in OPTIONS if FILES.get(name) == (out.suffix or None)]
        fix = f"--format {' or '.join(others)} writes {f'a {out.suffix} file' if out.suffix else 'a folder'}"
        raise ValueError(f"{format} is a {end} file, asked for is {out}{f'; {fix}' if others else ''}")
    with _opened(path, **for_recordings) as found:
        split = split or (_only_split(found) if "split" in OPTIONS[format] else None)
        sizes = {name: value for name, value in given.items() if name not in ("split", "part")}
        _write(found, out, format, split, part, sizes, overwrite)
        _tell(out, found, None if format == "pyskl" else _parts(found, split, part) if OPTIONS[format] else {})


@contextmanager
def _opened(path: Path, **options: object) -> Iterator[SkeletonDataset]:
    """A dataset folder, or one for a while that holds the recordings of a path."""
    if folder.detect(path):
        _check_none({name: value for name, value in options.items() if value is not None}, "recordings", path)
        yield open_dataset(path)
        return
    found = recordings(path, **options)
    with TemporaryDirectory() as place, closing(found.clips):
        yield write_dataset(Path(place, path.stem), found.clips, **facts_of(found))


def _write(
    found: SkeletonDataset, out: Path, format: Format, split: str | None, part: str | None, sizes: dict, overwrite: bool
) -> None:
    match format:
        case "pyskl":
            _check_free(out, overwrite, out.is_file(), "no file")
            write_annotations(out, found)
        case "mmaction0":
            _check_free(out, overwrite, out.is_file(), "no file")
            write_annotation_list(out, found, _one(_parts(found, split, part)), split)
        case "table" | "npz":
            _check_free(out, overwrite, out.is_file(), "no file")
            (write_table if format == "table" else write_arrays)(out, found)
        case "movement":
            check = partial(_check_folder, overwrite=overwrite, is_such=is_movement_folder, what="datasets")
            check(out)
            write_movement(out, found, check)
        case "npy":
            check = partial(_check_folder, overwrite=overwrite, is_such=is_padded_folder, what="arrays")
            check(out)
            write_padded(out, found, _parts(found, split, part), split=split, replaceable=check, **sizes)
        case "tfrecord":
            check = partial(_check_folder, overwrite=overwrite, is_such=is_shard_folder, what="shards")
            check(out)
            write_tfrecords(out, found, _parts(found, split, part), split=split, replaceable=check, **sizes)


def _check_none(given: dict[str, object], kind: str, path: Path) -> None:
    for name in given:
        raise ValueError(f"--{name.replace('_', '-')} is an option for {kind}, which {path} is not")


def _check_options(given: dict[str, object], format: str) -> None:
    for name in given:
        if name not in OPTIONS[format]:
            others = ", ".join(other for other, names in OPTIONS.items() if name in names)
            raise ValueError(f"--{name.replace('_', '-')} is an option for {others}; {format} has no use for it")
    for name, least in (("frames", 1), ("people", 1), ("shuffle_seed", 0)):
        if given.get(name, least) < least:
            raise ValueError(f"--{name.replace('_', '-')} is {given[name]}, expected at least {least}")


def _only_split(dataset: SkeletonDataset) -> str | None:
    if len(dataset.splits) > 1:
        raise ValueError(f"{dataset.path} has splits {', '.join(dataset.splits)}; choose one by --split")
    return next(iter(dataset.splits), None)


def _parts(dataset: SkeletonDataset, split: str | None, part: str | None) -> dict[str, Int[np.ndarray, "n"]]:
    """The clips of each part of the split, or of the one part that is given; without a split all, under no name."""
    if split is None:
        if part is not None:
            raise ValueError(f"{dataset.path} has no split to take part '{part}' of")
        return {"": np.arange(len(dataset))}
    parts = [part] if part is not None else [name for name in dataset.parts(split) if name != ABSENT]
    return {name: dataset.indices(split, name) for name in parts}


def _one(parts: dict[str, Int[np.ndarray, "n"]]) -> Int[np.ndarray, "n"]:
    if len(parts) != 1:
        raise ValueError(f"a list of MMAction2 0.x is one part of a split; give --part {' or '.join(parts)}")
    return next(iter(parts.values()))


def _check_free(out: Path, overwrite: bool, replaceable: bool, otherwise: str) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir()) and otherwise != "no file"):
        return
    if not replaceable:
        raise ValueError(f"{out} exists and is {otherwise}; choose another place")
    if not overwrite:
        raise ValueError(f"{out} exists; choose another place or give --overwrite")


def _check_folder(out: Path, overwrite: bool, is_such: Callable[[Path], bool], what: str) -> None:
    _check_free(out, overwrite, is_such(out), f"no folder of such {what}")


def _tell(out: Path, dataset: SkeletonDataset, parts: dict[str, Int[np.ndarray, "n"]] | None) -> None:
    """Print what was written, and which clips were not. parts: None where one file holds the whole dataset."""
    files = [out] if out.is_file() else [file for file in out.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    say = Console(highlight=False, soft_wrap=True, markup=False).print
    say(f"{out}: {size:,.1f} MB" + (f" in {len(files)} files" if out.is_dir() else ""))
    if parts is None:
        return
    written = sum(map(len, parts.values()))
    if parts and written < len(dataset):
        say(f"{written:,} of the dataset's {len(dataset):,} clips: {', '.join(parts)}")
    say(f"layout, class names, frame rates, attributes and splits: {beside(out)}, which `kinegraph prepare` reads")


# ---- checkpoints: another project's -> a weights file, either -> another project's -----------------------------------


def _written_again(source: Path, out: Path, *, half: bool, class_names: str | None) -> str:
    """Our own weights, smaller or with other names of classes. Returns what was done."""
    from kinegraph.models.weights import save_weights_again

    names = _other_names(source, class_names) if class_names else ()
    save_weights_again(source, out, half=half, class_names=[new for _, new in names])
    renamed = f"{out}: {', '.join(f'{old} is now {new}' for old, new in names)}" if names else ""
    return "\n".join(filter(None, [f"{out}: {_smaller(source, out)}" if half else "", renamed]))


def is_checkpoint(path: Path) -> bool:
    """Whether a path is named as a checkpoint, and no dataset or recordings."""
    return find_index(path) is not None or (path.suffix in CHECKPOINTS and not path.is_dir())


def convert_weights(
    source: Path,
    out: Path,
    *,
    to: Dialect | None,
    layout: str | None,
    class_names: str | None,
    preprocessing: Preprocessing | None,
    strides: Sequence[int] | None,
    half: bool | None,
    overwrite: bool,
) -> str:
    """Convert a checkpoint; the options are those of `convert`. Returns what was done, for people to read."""
    from kinegraph.models.convert import convert_checkpoint  # torch: not for datasets
    from kinegraph.models.weights import save_weights_again
    from kinegraph.models.weights_path import find_weights, is_published

    source = find_weights(source)
    if out.is_dir() or (out.exists() and not overwrite):
        raise ValueError(f"{out} exists; choose another place{'' if out.is_dir() else ' or give --overwrite'}")
    if not out.parent.is_dir():
        raise ValueError(f"there is no folder {out.parent}")
    if half and to:
        raise ValueError("--half is for a .safetensors file, other projects' checkpoints are float32")
    if (half or class_names) and to is None and not is_published(source) and not is_published(out):
        given = {"layout": layout, "preprocessing": preprocessing, "strides": strides}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise ValueError(f"{source} knows its {wrong[0].replace('-', ' ')}; leave out --{wrong[0]}")
        return _written_again(source, out, half=bool(half), class_names=class_names)
    said = convert_checkpoint(
        source,
        out,
        to=to,
        layout=load_layout(layout) if layout else None,
        class_names=names_of_classes(class_names, (), ()) if class_names else None,
        preprocessing=preprocessing.to_dict() if preprocessing else None,
        strides=strides,
    )
    if half:
        save_weights_again(out, out, half=True)
    if to is None and preprocessing is None:
        said += "; it does not say how clips are prepared, give --preprocessing to test it"
    return said


def _other_names(source: Path, given: str) -> list[tuple[str, str]]:
    """The name of each class of a weights file, and the one in its place."""
    from kinegraph.models.weights import load_weights

    before, after = load_weights(source).class_names, names_of_classes(given, (), ())
    if len(after) != len(before):
        raise ValueError(
            f"{given} has {len(after)} names, {source} has {len(before)} classes: "
            f"expected a line for each, in this order: {first_few(before, 20)}"
        )
    return list(zip(before, after, strict=True))


def _smaller(source: Path, out: Path) -> str:
    before, after = (path.stat().st_size / 1e6 for path in (source, out))
    return f"{after:.2f} MB, was {before:.2f} MB"
