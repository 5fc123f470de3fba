"""What `kinegraph convert` does with checkpoints: another project's -> a weights file, either -> another project's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kinegraph.data.formats.conventions import names_of_classes
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.messages import first_few
from kinegraph.models.tensorflow_files import find_index
from kinegraph.skeleton.layout import load_layout

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
Dialect = Literal["mmaction0", "mmaction1", "protogcn", "pyskl", "skateformer", "stgcn2018", "tensorflow"]


def is_checkpoint(path: Path) -> bool:
    """Whether a path is named as a checkpoint, and no dataset or recordings."""
    return find_index(path) is not None or (path.suffix in SUFFIXES and not path.is_dir())


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
    from kinegraph.models.published import is_published
    from kinegraph.models.weights import save_weights_again
    from kinegraph.models.zoo import find_weights

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
        names = _other_names(source, class_names) if class_names else ()
        save_weights_again(source, out, half=bool(half), class_names=[new for _, new in names])
        renamed = f"{out}: {', '.join(f'{old} is now {new}' for old, new in names)}" if names else ""
        return "\n".join(filter(None, [f"{out}: {_smaller(source, out)}" if half else "", renamed]))
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
