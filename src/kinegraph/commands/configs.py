"""A config file: found by its path or its name (`kinegraph train small_data` needs no clone), and checked as YAML.

Nothing here needs the parser or numpy, so that a wrong file is refused at once.
"""

from functools import cache
from pathlib import Path

import yaml

from kinegraph.commands.signature import declared
from kinegraph.messages import did_you_mean
from kinegraph.safe_io import compose_yaml, read_yaml

PACKAGE = Path(__file__).parents[1]
SUFFIXES = (".yaml", ".yml")


@cache
def named_configs() -> dict[str, Path]:
    """Name -> file, in alphabetical order."""
    folders = PACKAGE / "configs", PACKAGE.parents[1] / "configs"  # of the wheel, and of a clone
    files = next((sorted(folder.glob("*.yaml")) for folder in folders if folder.is_dir()), [])
    return {file.stem: file for file in files}


def find_config(word: str | Path) -> Path:
    """A config file: the file at this path, or else the one of that name, with or without .yaml.

    Raises ValueError with the nearest name where the word can only be a name.
    """
    path, name = Path(word), str(word).removesuffix(".yaml")
    if path.exists() and not (path.is_dir() and name in named_configs() and not (path / "dataset.json").exists()):
        return path
    if found := named_configs().get(name):
        return found
    if path.suffix in SUFFIXES and (kept := named_configs().get(path.stem)) and path.parts[:-1] == ("configs",):
        return kept  # as the documentation of a clone names it
    if len(path.parts) == 1 and (path.suffix == "" or path.suffix in SUFFIXES):
        hint = did_you_mean(name, named_configs()) or "; `kinegraph train --list` lists those that come with Kinegraph"
        raise ValueError(f"there is no config file {word}{hint}")
    return path


def list_of_configs() -> str:
    """One line per config: its name and the comment of its first line."""
    width = max(map(len, named_configs()), default=0)
    lines = [f"  {name:<{width}}  {_about(file)}" for name, file in named_configs().items()]
    return "\n".join(["configs that come with Kinegraph (kinegraph train NAME --dataset MINE):", "", *lines])


def _about(file: Path) -> str:
    with file.open(encoding="utf-8") as opened:
        return opened.readline().lstrip("# ").partition(": ")[0].strip().rstrip(".:,")


# ---- what stands in it -----------------------------------------------------------------------------------------------


def config_values(path: Path) -> dict[str, object]:
    """The options in a config, as they are written. Raises ValueError for a file that cannot be a config."""
    check_yaml(path)
    options = read_yaml(path)
    assert isinstance(options, dict)
    if "config" in options:
        raise ValueError(f"{path}: config: a config cannot name another config; write its options here")
    return options


def is_ours(path: Path) -> bool:
    """Whether a file is a config with options of `kinegraph train` alone; marks of other projects are none of them."""
    try:
        return {*config_values(path)} <= {option.name for option in declared("train")}
    except ValueError:
        return False


def check_yaml(path: Path) -> None:
    """Raise ValueError, naming the line, unless a config is a YAML file of options, each there once."""
    if path.is_dir():
        if (path / "dataset.json").is_file():
            raise ValueError(f"{path} is a dataset folder, no YAML config; did you mean small_data --dataset {path}?")
        own = path / "config.yaml"
        raise ValueError(f"{path} is a folder, no YAML config" + (f"; did you mean {own}?" if own.is_file() else ""))
    if not path.exists():
        raise ValueError(f"there is no config file {path}")
    if path.suffix not in (".yaml", ".yml"):
        raise ValueError(f"{path} is no YAML config: its name does not end in .yaml")
    if not path.is_file():
        raise ValueError(f"{path} is a device or a pipe, no YAML config")
    top = compose_yaml(path)
    read_yaml(path)
    if top is None:
        raise ValueError(f"{path} is empty; expected options, one a line, such as 'epochs: 20'")
    if not isinstance(top, yaml.MappingNode):
        raise ValueError(f"{path} line {top.start_mark.line + 1} is no option; expected lines such as 'epochs: 20'")
    _check_once(path, top)


def _check_once(path: Path, node: yaml.MappingNode) -> None:
    there: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if (first := there.setdefault(str(key.value), line)) != line:
            raise ValueError(f"{path} line {line}: '{key.value}' is already on line {first}; keep one of them")
        if isinstance(value, yaml.MappingNode):
            _check_once(path, value)
