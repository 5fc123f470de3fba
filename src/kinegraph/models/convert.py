"""From a published checkpoint to a weights file, and from either to a checkpoint of another project."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kinegraph.models.published import TENSORFLOW, infer_layout, load_published, save_published
from kinegraph.models.weights import Weights, load_weights, save_weights
from kinegraph.models.weights_path import is_published
from kinegraph.skeleton.layout import JointLayout


def published_weights(
    path: str | Path,
    *,
    layout: JointLayout | None = None,
    class_names: Sequence[str] | None = None,
    preprocessing: Mapping | None = None,
    strides: Sequence[int] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Weights:
    """A published checkpoint with what it does not hold.

    layout: if left out, the built-in one whose graph is in the file. class_names: if left out, "0", "1" ...
    preprocessing: how clips are prepared for it, as plain data; {} leaves that open.
    say: gets a line on a graph that is the layout's, as the file holds none.
    Raises ValueError when the layout is needed or does not fit.
    """
    model = load_published(path, strides=strides, layout=layout, say=say)
    joints, classes = model.A.shape[1], model.config["classes"]
    layout = layout or infer_layout(model)
    if layout is None:
        raise ValueError(
            f"{path} has a graph of {joints} joints that is of no built-in layout, or of several: "
            "name the layout, one of them or your own .yaml file"
        )
    class_names = tuple(map(str, range(classes)) if class_names is None else class_names)
    if len(layout) != joints:
        raise ValueError(f"{path} is of a network for {joints} joints, layout '{layout.name}' has {len(layout)}")
    if len(class_names) != classes:
        raise ValueError(f"{path} is of a network for {classes} classes, there are {len(class_names)} class names")
    return Weights(model, layout, class_names, dict(preprocessing or {}), {"source": Path(path).name})


def convert_checkpoint(
    source: str | Path,
    out: str | Path,
    *,
    to: str | None = None,
    layout: JointLayout | None = None,
    class_names: Sequence[str] | None = None,
    preprocessing: Mapping | None = None,
    strides: Sequence[int] | None = None,
) -> str:
    """Make a weights file of a published checkpoint, or with `to` a checkpoint of that dialect of either.

    Returns what was done, for people to read. Raises ValueError when source, out and options do not go together.
    """
    source, out = Path(source), Path(out)
    if to is None and is_published(out):
        raise ValueError(f"{out} is named as a checkpoint of another project: name the dialect, e.g. mmaction1")
    if to == TENSORFLOW and out.suffix:
        raise ValueError(f"a checkpoint of dialect '{to}' is a folder, found {out}; e.g. {out.with_suffix('')}")
    if to not in (None, TENSORFLOW) and not is_published(out):
        raise ValueError(f"a checkpoint of dialect '{to}' is a .pth file, found {out}")
    if to is not None:
        given = {"layout": layout, "class names": class_names, "preprocessing": preprocessing}
        if lost := [name for name, value in given.items() if value is not None]:
            raise ValueError(f"a checkpoint of dialect '{to}' holds no {lost[0]}; leave it out")
        model = load_published(source, strides=strides) if is_published(source) else load_weights(source).model
        save_published(out, model, to)
        return f"{out}: {type(model).__name__} for {to}"
    if not is_published(source):
        raise ValueError(f"{source} is no checkpoint of another project; nothing to convert")
    said: list[str] = []
    weights = published_weights(
        source, layout=layout, class_names=class_names, preprocessing=preprocessing, strides=strides, say=said.append
    )
    saved = {"class_names": weights.class_names, "preprocessing": weights.preprocessing, "extra": weights.extra}
    save_weights(out, weights.model, layout=weights.layout, **saved)
    joints, classes = len(weights.layout), len(weights.class_names)
    about = f"{out}: {type(weights.model).__name__}, {joints} joints of '{weights.layout.name}', {classes} classes"
    return "; ".join([about, *said])
