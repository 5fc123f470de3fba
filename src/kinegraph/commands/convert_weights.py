"""What `kinegraph convert` does with checkpoints: another project's -> a weights file, either -> another project's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kinegraph.data.preprocessing import Preprocessing
from kinegraph.data.sources.guesses import names_of_classes
from kinegraph.skeleton.layout import load_layout

SUFFIXES = (".safetensors", ".pth", ".pt")
Dialect = Literal["mmaction0", "mmaction1", "pyskl", "stgcn2018"]


def convert_weights(
    source: Path,
    out: Path,
    *,
    to: Dialect | None,
    layout: str | None,
    class_names: str | None,
    preprocessing: Preprocessing | None,
    strides: Sequence[int] | None,
    overwrite: bool,
) -> str:
    """Convert a checkpoint; the options are those of `convert`. Returns what was done, for people to read."""
    from kinegraph.models.published import convert_checkpoint  # torch: not for datasets

    if out.is_dir() or (out.exists() and not overwrite):
        raise ValueError(f"{out} exists; choose another place{'' if out.is_dir() else ' or give --overwrite'}")
    if not out.parent.is_dir():
        raise ValueError(f"there is no folder {out.parent}")
    said = convert_checkpoint(
        source,
        out,
        to=to,
        layout=load_layout(layout) if layout else None,
        class_names=names_of_classes(class_names, (), ()) if class_names else None,
        preprocessing=preprocessing.to_dict() if preprocessing else None,
        strides=strides,
    )
    if to is None and preprocessing is None:
        said += "; it does not say how clips are prepared, give --preprocessing to test it"
    return said
