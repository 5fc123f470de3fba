"""Weights files: a trained network and all that is needed to use it, in one safetensors file.

The tensors are the network's state; one JSON text in the file's header says how to build the network around them and
what belongs to it. Reading such a file runs no code from it. A model card for people is written beside it.

The header's `extra` has, each where it is known: `made_with` (versions), `training` (data, licence, clips,
classes, subjects), `measured` (a list: figures and on which clips), `epoch`, `epochs`, `recipe` (the config's text),
`based_on` (the weights it started from), `least_probability` (below it an answer is rather none of the classes),
`temperature` (by which `calibrate` divided the logits), `stored` (float16), `source` (the checkpoint it was converted
from), `licence` and `notes` (people's own words).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from kinegraph import __version__
from kinegraph.atomic import write_atomic
from kinegraph.messages import one_line, plain_name, quoted
from kinegraph.models.model_card import model_card, write_card
from kinegraph.models.network import network_class, network_kind, rebuild
from kinegraph.models.published import load_published
from kinegraph.models.weights_path import find_weights, is_exported, is_published, name_of
from kinegraph.safe_io import parsed_json
from kinegraph.skeleton.layout import JointLayout

VERSION = 1
HEADER, SUM = "kinegraph", "sha256"  # the keys of our text in the safetensors header, and of the checksum in our text
FIELDS = ("network", "config", "layout", "class_names", "preprocessing", "extra")
Check = Callable[[object], bool]


@dataclass(frozen=True, eq=False)
class Weights:
    """What a weights file holds.

    model: in evaluation mode, on the CPU. preprocessing: how clips were prepared for it, as plain data.
    extra: what was saved with it: recipe, metrics, data ...
    """

    model: nn.Module
    layout: JointLayout
    class_names: tuple[str, ...]
    preprocessing: dict[str, Any]
    extra: dict[str, Any]


def load_model(path: str | Path, strides: Sequence[int] | None = None) -> nn.Module:
    """The network in a weights file, or in a published .pth checkpoint: model(x) with x (N, M, T, V, C) -> logits.

    In evaluation mode, on the CPU. x holds clips as `prepare_clip` makes them; for recordings as they are there is
    `kinegraph.predict`. What a weights file says of layout, class names and preprocessing is model.weights (`Weights`);
    a .pth says nothing of them.
    path: also a run or its folder, for its best weights, or a name in the zoo, such as "ui-prmd-10".
    strides: of each block of a published network; if left out, 2 where the width doubles.
    Raises ValueError when the file is neither or damaged, OSError when it cannot be read.
    """
    if not isinstance(path, str | PathLike):
        raise ValueError(f"load_model takes the path or name of a weights file, found a {type(path).__name__}")
    if is_published(path := Path(path)):
        return load_published(path, strides=strides)
    if strides is not None:
        raise ValueError(f"{path} knows its strides; only those of another project's checkpoint can be given")
    weights = load_weights(path)
    weights.model.weights = weights  # pyright: ignore[reportArgumentType]  so that kg.predict knows what belongs to it
    return weights.model


def save_weights(
    path: str | Path,
    model: nn.Module,
    *,
    layout: JointLayout,
    class_names: Sequence[str],
    preprocessing: Mapping[str, Any],
    extra: Mapping[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write a `SkeletonNetwork` or `BlackBox`, whole or not at all, and its card beside it as .md.

    preprocessing and extra: plain data. half: keep matrices and kernels as float16, in half the room.
    Raises ValueError when it is another network, or layout, class names or `extra` do not fit it; OSError when the
    disk is full.
    """
    graph, config = built_with(model)
    joints, classes = graph.shape[1], config["classes"]
    if len(layout) != joints:
        raise ValueError(f"the network was built for {joints} joints, layout '{layout.name}' has {len(layout)}")
    if len(class_names) != classes:
        raise ValueError(f"the network was built for {classes} classes, there are {len(class_names)} class names")
    kind = network_kind(model)
    network = f"{kind.__module__}.{kind.__qualname__}"
    extra = {"made_with": {"kinegraph": __version__, "torch": torch.__version__}} | dict(extra or {})
    if half:
        extra["stored"] = "float16"
    extra = checked_extra(extra, path)
    saved = (network, config, layout.to_dict(), list(class_names), dict(preprocessing), extra)
    header = {"version": VERSION} | dict(zip(FIELDS, saved, strict=True))
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        state = {name: _halved(tensor) for name, tensor in state.items()}
    path = Path(path)
    card = model_card(name_of(path), model, layout, class_names, preprocessing, extra)
    write_atomic(path, save(state, metadata={HEADER: json.dumps(header | {SUM: _sum_of(header, state)})}))
    write_card(path.with_suffix(".md"), card)


def save_weights_again(
    source: str | Path,
    out: str | Path,
    *,
    half: bool = False,
    more: Mapping[str, Any] | None = None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Write a weights file anew, the same or another one, with `more` in its header. What was half stays half.

    class_names: other names of the same classes.
    """
    weights = load_weights(source)
    saved: dict[str, Any] = {"class_names": class_names or weights.class_names, "preprocessing": weights.preprocessing}
    half = half or weights.extra.get("stored") == "float16"
    save_weights(out, weights.model, layout=weights.layout, extra=weights.extra | dict(more or {}), half=half, **saved)


def add_measured(path: str | Path, figures: Mapping[str, Any]) -> None:
    """Add what was measured to a weights file and its card, in the place of older figures for the same clips.

    figures: source, split, part and clips, which say on what; top1, mean_class_accuracy, top5 as far as they are known.
    """
    path, of = find_weights(path), ("source", "split", "part")
    measured = load_weights(path).extra.get("measured", [])
    kept = [other for other in measured if any(other.get(name) != figures[name] for name in of)]
    save_weights_again(path, path, more={"measured": [*kept, dict(figures)]})


def load_weights(path: str | Path, *, finite: bool = True) -> Weights:
    """Read a weights file, given by its path, its run folder or its name in the zoo.

    finite: refuse weights of which a value is NaN or infinite.
    Raises ValueError when there is none, it is another kind of file, was changed, or does not fit together.
    """
    path = find_weights(path)
    if is_exported(path):
        raise ValueError(f"{path} is an exported network, which only answers: give the weights that it was made of")
    if is_published(path):
        raise ValueError(f"{path} is no weights file; `kinegraph convert {path} OUT.safetensors` makes one of it")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  not a dict
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {one_line(error)}") from None
    header = _header(metadata, path)
    if header.pop(SUM, expected := _sum_of(header, state)) != expected:
        raise ValueError(f"{path} was changed after it was written: its checksum is another one")
    wrong = [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if wrong and finite:
        raise ValueError(
            f"{path} holds values that are not finite, first in {quoted(wrong[0])}; did its training diverge?"
        )
    state = {name: t.float() if t.dtype == torch.float16 else t for name, t in state.items()}
    if wrong := [name for name in header["class_names"] if not isinstance(name, str)]:
        raise ValueError(f"{path} names a class {quoted(wrong[0])}, expected a line of text")
    try:
        layout = JointLayout.from_dict(header["layout"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    try:
        network = network_class(header["network"])
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    model = rebuild(network, header["config"], state, path)
    graph, config = built_with(model)
    if len(header["class_names"]) != config["classes"] or len(layout) != graph.shape[1]:
        raise ValueError(
            f"{path} names {len(header['class_names'])} classes and {len(layout)} joints, "
            f"its network has {config['classes']} and {graph.shape[1]}"
        )
    names = tuple(map(plain_name, header["class_names"]))
    return Weights(model, layout, names, header["preprocessing"], checked_extra(header["extra"], path))


def _sum_of(header: Mapping[str, Any], state: Mapping[str, Tensor]) -> str:
    """The SHA-256 of all that a weights file holds: its header, and name, kind and values of each tensor."""
    content = {key: value for key, value in header.items() if key != SUM}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def built_with(model: nn.Module) -> tuple[Tensor, dict[str, Any]]:
    """The graph and the config that a network was built with. Raises ValueError where it has none."""
    graph, config = getattr(model, "A", None), getattr(model, "config", None)
    if not isinstance(graph, Tensor) or not isinstance(config, dict):
        name = type(model).__name__
        raise ValueError(
            f"a {name} does not record what it was built with: build it as BlackBox({name}, adjacency, channels, "
            "classes), or make it a SkeletonNetwork (kinegraph.models.network)"
        )
    for argument, value in config.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise ValueError(
                f"{type(model).__name__} was built with {argument} = a {type(value).__name__}, which a weights file "
                "cannot hold: numbers, texts, lists and dicts of them"
            ) from None
    return graph, config


def _halved(tensor: Tensor) -> Tensor:
    """Matrices and kernels as float16 where it can hold them; the rest is little, or BatchNorm's wide range."""
    wide = tensor.ndim in (2, 4) and tensor.is_floating_point()
    return tensor.half() if wide and tensor.abs().max() <= torch.finfo(torch.float16).max else tensor


def _header(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    if HEADER not in metadata:
        raise ValueError(f"{path} is a safetensors file of another program: its header has no '{HEADER}'")
    header = parsed_json(metadata[HEADER], f"{path}: its header")
    if not isinstance(header, dict):
        raise ValueError(f"{path} has a damaged header: {quoted(header)}")
    if (version := header.get("version")) != VERSION:
        raise ValueError(f"{path} has format version {quoted(version)}, this Kinegraph reads version {VERSION}")
    kinds = dict(zip(FIELDS, (str, dict, dict, list, dict, dict), strict=True))
    for field, kind in kinds.items():
        if not isinstance(header.get(field), kind):
            raise ValueError(f"{path} has a damaged header: '{field}' is {quoted(header.get(field))}")
    return header


# ---- what the header may say of a network beside how it is built: each fact must be of its kind ----------------------
# The facts are shown to people and go into the model card.


def _text(value: object) -> bool:
    return isinstance(value, str)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _lengths(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_count, value))


def _versions(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_text, value.values()))


TEXTS = dict.fromkeys(("source", "licence", "weights_licence", "units", "split", "part", "weights", "chosen_by"), _text)
COUNTS = dict.fromkeys(("clips", "classes", "subjects"), _count)
FACTS: Mapping[str, Check] = TEXTS | COUNTS | {"frames": _lengths, "coordinates": _texts, "absent": _texts}
FIGURES: Mapping[str, Check] = FACTS | dict.fromkeys(("top1", "top5", "mean_class_accuracy", "loss"), _number)
PLAIN: Mapping[str, Check] = {
    "made_with": _versions,
    "least_probability": _number,
    "temperature": _number,
    "epoch": _count,
    "epochs": _count,
    **dict.fromkeys(("recipe", "stored", "source", "licence", "notes"), _text),
}


def checked_extra(extra: Mapping[str, Any], origin: object) -> dict[str, Any]:
    """The facts without those that are null. Raises ValueError, beginning with the origin, for one of another kind."""
    known = {key: value for key, value in extra.items() if value is not None}
    _check(known, PLAIN, f"{origin}: its header")
    for key in ("training", "based_on"):
        if key in known:
            known[key] = _facts(known[key], FACTS, (), f"{origin}: in its header '{key}'")
    if "weights" not in known.get("based_on", {"weights": ""}):
        raise ValueError(f"{origin}: in its header 'based_on' does not say on which weights")
    measured = known.get("measured", [])
    if not isinstance(measured, list):
        raise ValueError(f"{origin}: its header has {quoted(measured)} as 'measured', expected a list")
    if measured:
        what = f"{origin}: in its header 'measured'"
        known["measured"] = [_facts(entry, FIGURES, ("source", "clips"), what) for entry in measured]
    return known


def _facts(found: object, kinds: Mapping[str, Check], needed: tuple[str, ...], what: str) -> dict[str, Any]:
    if not isinstance(found, Mapping):
        raise ValueError(f"{what} is {quoted(found)}, expected facts by name")
    facts = {key: value for key, value in found.items() if value is not None}
    if lacking := [key for key in needed if key not in facts]:
        raise ValueError(f"{what} lacks '{lacking[0]}'")
    _check(facts, kinds, what)
    return facts


EXPECTED: Mapping[Check, str] = {_text: "text", _number: "a number", _count: "a number"}


def _check(facts: Mapping[str, Any], kinds: Mapping[str, Check], what: str) -> None:
    for key, fits in kinds.items():
        if key in facts and not fits(facts[key]):
            expected = EXPECTED.get(fits, "what training writes")
            raise ValueError(f"{what} has {quoted(facts[key])} as '{key}', expected {expected}")
