"""Which file of a TensorFlow checkpoint a path means; nothing of it is read."""

import re
from glob import escape
from pathlib import Path

from kinegraph.messages import first_few, quoted

DATA = re.compile(r"\.data-\d{5}-of-\d{5}")
NAMED = re.compile(rb'^\s*model_checkpoint_path:\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)


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
    there = sorted(it for it in folder.glob("*.index") if next(folder.glob(f"{escape(it.stem)}.data-*"), None))
    state = folder / "checkpoint"
    if state.is_file():
        with state.open("rb") as file:
            named = NAMED.search(file.read(1 << 16))
        if named is None:
            raise ValueError(f'{state} does not name a checkpoint; expected a line model_checkpoint_path: "ckpt-1"')
        name = re.split(r"[/\\]", named[1].decode("utf-8", "replace"))[-1]
        index = folder / f"{name}.index"
        if index not in there:
            others = f"; there is {first_few([it.name for it in there])}" if there else ""
            raise ValueError(f"{state} names {quoted(name)}, but there is no {index.name} beside it{others}")
        return index
    if len(there) > 1:
        raise ValueError(f"{folder} has {len(there)} checkpoints, name one: {first_few([it.name for it in there])}")
    return there[0] if there else None
