"""Which files are configurations of other projects, and the reader of each kind."""

from collections.abc import Sequence
from pathlib import Path

from kinegraph.foreign.main_py import is_main_py, read_main_py
from kinegraph.foreign.mmskeleton import is_mmskeleton, read_mmskeleton
from kinegraph.foreign.openmmlab import read_openmmlab
from kinegraph.foreign.recipe import Recipe

YAMLS = (".yaml", ".yml")


def is_foreign(path: Path) -> bool:
    """A Python file, or a YAML file with keys of yysijie/st-gcn, 2s-AGCN, MS-G3D, CTR-GCN or mmskeleton."""
    of_yaml = path.suffix in YAMLS and path.is_file()
    return path.suffix == ".py" or (of_yaml and (is_main_py(path) or is_mmskeleton(path)))


def read_foreign(path: Path, cfg_options: Sequence[str] = (), validate: bool | None = None) -> Recipe:
    """The recipe in a configuration of another project. Raises ValueError of one line for what is none.

    cfg_options: changes, as `optimizer.lr=0.05`. validate: as asked for; None leaves it to the project's default.
    """
    if path.is_dir() or not path.exists():
        raise ValueError(f"there is no config file {path}")
    if path.suffix in YAMLS:
        read = read_mmskeleton if is_mmskeleton(path) else read_main_py
        return read(path, cfg_options, validate)
    return read_openmmlab(path, cfg_options, validate)
