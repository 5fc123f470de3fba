"""Which file of weights a path or name means, and of which kind it is by its name; nothing of it is read.

A path is a weights file, a run folder, a name in the zoo (weights that come with Kinegraph), a checkpoint of another
project, or an exported network.
"""

import re
from glob import escape
from pathlib import Path

import kinegraph
from kinegraph.files import check_is_file
from kinegraph.messages import fetch_first, first_few, quoted

FOLDER = Path(kinegraph.__file__).parent / "zoo"
DATA = re.compile(r"\.data-\d{5}-of-\d{5}")
NAMED = re.compile(rb'^\s*model_checkpoint_path:\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)


def zoo_names() -> tuple[str, ...]:
    """Names of the weights in the zoo, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.safetensors")))


def name_of(path: Path) -> str:
    """What people call weights by: the name in the zoo, or the file's."""
    return path.stem if path.parent == FOLDER else path.name


def find_weights(path: str | Path) -> Path:
    """A path as it is, the best or else the last weights of a run folder, or the zoo's weights of that name.

    Of a TensorFlow checkpoint the index. Raises ValueError with the names that there are.
    """
    path = Path(path)
    if (index := find_index(path)) is not None:
        return index
    if path.suffix == ".ckpt":
        beside = weights_beside(path)
        if path.is_file() and not beside.is_file():
            return path  # another project's
        raise ValueError(f"{path} is a checkpoint to resume training from; the weights are beside it: {beside}")
    if path.is_dir():  # a run, or the checkpoints in it
        for place in (path / "checkpoints" / "best", path / "checkpoints" / "last", path / "best", path / "last"):
            if (found := place.with_suffix(".safetensors")).is_file():
                return found
        raise ValueError(f"{path} is a folder without weights: there is no checkpoints/last.safetensors in it")
    if path.exists():
        check_is_file(path)
        return path
    if path.suffix:
        if address := fetch_first(path):
            raise ValueError(f"there is no file {path}{address}")
        raise ValueError(f"there is no file {path}; weights that come with Kinegraph are {', '.join(zoo_names())}")
    if str(path) in zoo_names():
        return FOLDER / f"{path}.safetensors"
    there = f"those in the zoo are {', '.join(zoo_names())}" if zoo_names() else "the zoo is empty"
    raise ValueError(f"no weights '{path}': there is no such file, and {there}")


def is_published(path: str | Path) -> bool:
    """Whether a path is named as a checkpoint of another project, not as a weights file.

    Lightning's end in .ckpt as our checkpoints do, which have the weights beside them.
    """
    path = Path(path)
    if find_index(path) is not None:
        return True
    theirs = path.suffix == ".ckpt" and path.is_file() and not weights_beside(path).is_file()
    return path.suffix in (".pth", ".pt") or theirs


def is_exported(path: str | Path) -> bool:
    """Whether a path is named as an exported network."""
    return Path(path).suffix.lower() == ".onnx"


def weights_beside(checkpoint: Path) -> Path:
    """The weights file that a run keeps beside its last.ckpt."""
    return checkpoint.with_name("last.safetensors")


# ---- which file of a TensorFlow checkpoint a path means; nothing of it is read ---------------------------------------


def find_index(path: Path) -> Path | None:
    """The index of the checkpoint that a path means, None where it means none.

    path: the index, a data file, their name without ending, or a folder with a file `checkpoint` that names the latest.
    Raises ValueError for a folder of several checkpoints of which none is named.
    """
    if path.suffix == ".index":
        return path
    if DATA.fullmatch(path.suffix):
        return path.with_suffix(".index")
    if path.is_dir():
        return _latest(path)
    beside = path.with_name(f"{path.name}.index")
    return beside if not path.exists() and beside.is_file() else None


def _latest(folder: Path) -> Path | None:
    there = sorted(index for index in folder.glob("*.index") if next(folder.glob(f"{escape(index.stem)}.data-*"), None))
    state = folder / "checkpoint"
    if state.is_file():
        with state.open("rb") as file:
            named = NAMED.search(file.read(1 << 16))
        if named is None:
            raise ValueError(f'{state} does not name a checkpoint; expected a line model_checkpoint_path: "ckpt-1"')
        name = re.split(r"[/\\]", named[1].decode("utf-8", "replace"))[-1]
        index = folder / f"{name}.index"
        if index not in there:
            others = f"; there is {first_few([path.name for path in there])}" if there else ""
            raise ValueError(f"{state} names {quoted(name)}, but there is no {index.name} beside it{others}")
        return index
    if len(there) > 1:
        raise ValueError(f"{folder} has {len(there)} checkpoints, name one: {first_few([path.name for path in there])}")
    return there[0] if there else None
