"""The zoo: trained weights that come with Kinegraph and are called by a short name."""

from pathlib import Path

import kinegraph
from kinegraph.files import check_is_file
from kinegraph.models.tensorflow_files import find_index

FOLDER = Path(kinegraph.__file__).parent / "zoo"


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
        beside = path.with_name("last.safetensors")
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
        raise ValueError(f"there is no file {path}; weights that come with Kinegraph are {', '.join(zoo_names())}")
    if str(path) in zoo_names():
        return FOLDER / f"{path}.safetensors"
    there = f"those in the zoo are {', '.join(zoo_names())}" if zoo_names() else "the zoo is empty"
    raise ValueError(f"no weights '{path}': there is no such file, and {there}")
