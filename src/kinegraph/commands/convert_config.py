"""`kinegraph convert CONFIG.py OUT.yaml`: a config of another project as ours, with the line of each value."""

import shlex
from pathlib import Path

from kinegraph.atomic import write_atomic
from kinegraph.foreign.clips import split_of
from kinegraph.foreign.read import read_foreign
from kinegraph.foreign.recipe import Recipe, Said, as_yaml

FRAMES = 150  # of BABEL's clips, the only published ones that a pipeline takes as they are


def convert_config(path: Path, out: Path, overwrite: bool) -> None:
    """Write the config, and print what is not honoured. Raises ValueError where the network itself is not here."""
    recipe = read_foreign(path)
    if out.suffix not in (".yaml", ".yml"):
        raise ValueError(f"a config of ours is a .yaml file, asked for is {out}")
    if out.exists() and (not overwrite or not out.is_file()):
        raise ValueError(f"{out} exists; choose another place" + (" or give --overwrite" if out.is_file() else ""))
    for line in recipe.refused:
        print(f"not honoured: {line}")
    if recipe.get("model.class_path") is None:
        raise ValueError(f"{path}: the network is not here, so there is no config of ours; nothing was written")
    recipe.options = {"split": Said(split_of(recipe), "")} | recipe.options
    if recipe.get("preprocessing.frames") is None:
        recipe.options["preprocessing.frames"] = Said(FRAMES, "as stored, in BABEL")
        recipe.note(f"the pipeline takes clips as long as they are: set frames, {FRAMES} is for BABEL's")
    folder = _dataset(recipe)
    for line in recipe.notes:
        print(f"note: {line}")
    write_atomic(out, as_yaml(recipe, folder).encode())
    print(f"{out}: kinegraph train {shlex.quote(str(out))}")


def _dataset(recipe: Recipe) -> str:
    """A place for the clips, with the command that fills it in the notes."""
    if not recipe.parts:
        return "data/mine"
    paths = list(dict.fromkeys(source.path for source in recipe.parts.values()))
    folder = Path(paths[0]).with_suffix("")
    folder = folder.with_name(f"{folder.name}_clips")
    layout = recipe.dataset.get("layout")
    for path in paths[:1]:
        more = f" and {', '.join(paths[1:])}" if len(paths) > 1 else ""
        recipe.note(f"kinegraph prepare {path} {folder} --layout {layout} --bodies rows makes the dataset{more}")
    return str(folder)
