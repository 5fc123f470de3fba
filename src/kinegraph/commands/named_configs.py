"""The configs that come with Kinegraph, called by name: `kinegraph train small_data` needs no clone."""

from functools import cache
from pathlib import Path

from kinegraph.messages import did_you_mean

PACKAGE = Path(__file__).parents[1]
SUFFIXES = (".yaml", ".yml")


@cache
def named_configs() -> dict[str, Path]:
    """Name -> file, in alphabetical order."""
    folders = PACKAGE / "configs", PACKAGE.parents[1] / "configs"  # of the wheel, and of a clone
    files = next((sorted(it.glob("*.yaml")) for it in folders if it.is_dir()), [])
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
    """A line a config: its name and what its first line says."""
    width = max(map(len, named_configs()), default=0)
    lines = [f"  {name:<{width}}  {_about(file)}" for name, file in named_configs().items()]
    return "\n".join(["configs that come with Kinegraph (kinegraph train NAME --dataset MINE):", "", *lines])


def _about(file: Path) -> str:
    with file.open(encoding="utf-8") as opened:
        return opened.readline().lstrip("# ").partition(": ")[0].strip().rstrip(".:,")
