"""Starting a network from the weights of another: each tensor that means the same is taken, axis by axis, by name.

Blocks are taken where their shapes agree. What belongs to joints (input norm, learned graphs, weights of edges) is
copied for the joints that both have; the head, if both know the same classes; what reads the input channels, if both
have the same.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from kinegraph.models.network import BlackBox, SkeletonNetwork, graph_of, network_kind
from kinegraph.models.published import infer_layout, load_published
from kinegraph.models.weights import load_weights
from kinegraph.models.weights_path import is_published

GRAPHS = ("A", "graph", "importance", "offset")  # (K, V, V)
INPUTS = tuple(f"{name}.weight" for name in (
    "spatial.mix", "graph_residual.mix", "spatial.theta", "spatial.phi", "spatial.value"
))  # fmt: skip
ALONG_JOINTS = "attention.joints.weight"  # a convolution along the joints in their order
LEAVES = (".weight", ".bias", ".running_mean", ".running_var", ".num_batches_tracked")
MEMBER = r"members\.\d+\."  # of an ensemble
OUTER = ("A", "head.", "data_norm.")  # tensors that are not inside the network
NAMED = 6  # joints in a line
# What may differ without a word: it does not say what the tensors mean.
FREE = {"channels", "classes", "dropout", "init", "norm_momentum"}
FREE |= {"augment", "test_clips", "test_mirror", "test_frames"}


@dataclass(frozen=True)
class Meaning:
    """What the axes of a network's tensors stand for. None where nobody says: then they are taken in order."""

    joints: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    streams: tuple[str, ...] | None = None
    coordinates: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Start:
    """Weights to start from, with what is known about them."""

    name: str
    model: nn.Module
    meaning: Meaning
    preprocessing: dict
    extra: dict


@dataclass(frozen=True)
class Taken:
    """What became of each tensor of a network: taken, taken in part, or new."""

    whole: tuple[str, ...]
    part: tuple[str, ...]
    new: tuple[str, ...]


def open_start(path: str | Path) -> Start:
    """Weights of Kinegraph, by path or name in the zoo, or a published .pth. Raises ValueError for another."""
    name = Path(path).stem
    if is_published(path):
        model = load_published(path)
        layout = infer_layout(model)
        return Start(name, model, Meaning(joints=layout.joints if layout else None), {}, {"source": Path(path).name})
    weights = load_weights(path)
    classes = weights.class_names
    numbered = classes == tuple(map(str, range(len(classes))))  # as a published checkpoint is converted
    streams, coordinates = weights.preprocessing.get("streams"), weights.extra.get("training", {}).get("coordinates")
    meaning = Meaning(
        joints=weights.layout.joints,
        classes=None if numbered else classes,
        streams=tuple(streams) if isinstance(streams, list) else None,
        coordinates=tuple(coordinates) if coordinates else None,
    )
    return Start(name, weights.model, meaning, weights.preprocessing, weights.extra)


@torch.no_grad()
def take_over(network: nn.Module, ours: Meaning, start: Start) -> Taken:
    """Copy into the network what fits. Raises ValueError when it is another network, or none of its blocks fits.

    Where both have the same joints, in any order, the graph of the weights is taken too: the network then computes the
    same as in its own training. Otherwise the network keeps the graph that was built for its joints.
    """
    here, there = network_kind(network), network_kind(start.model)
    if not (issubclass(here, there) or issubclass(there, here)):
        fix = f"give --model {there.__module__}.{there.__name__}"
        if "widths" in start.model.config:
            fix += f" --model.widths {' '.join(map(str, start.model.config['widths']))}"
        if "members" in network.config:
            fix = "take a recipe of one network, such as small_data_quick"
        raise ValueError(
            f"{start.name} is of {there.__name__}, this network is {here.__name__}: "
            f"nothing of one fits the other; {fix}"
        )
    if network.config.get("members") != start.model.config.get("members"):
        raise ValueError(f"{start.name} is an ensemble of other members than this network: give it the same ones")
    match = _matches(network, ours, start)
    state, source = network.state_dict(), start.model.state_dict()
    became = {}
    for name, tensor in state.items():
        inner, owner, theirs = _in_member(name, network, start.model)
        sizes = _sizes(owner), _sizes(theirs)
        became[name] = _take(inner, tensor, source.get(name), match | _channels(match, *sizes), *sizes)
    inner = [name for name in state if re.fullmatch(rf"({MEMBER})?blocks\.\d+\.\w+(\.mix)?\.weight", name)]
    inner = inner or [name for name, tensor in state.items() if tensor.ndim > 1 and not name.startswith(OUTER)]
    if inner and not any(became[name] == "whole" for name in inner):
        raise ValueError(_no_fit(network, start))
    return Taken(*(tuple(n for n, what in became.items() if what == kind) for kind in ("whole", "part", "new")))


def _no_fit(network: nn.Module, start: Start) -> str:
    theirs, here = start.model.config, network.config
    if "widths" not in theirs or "widths" not in here:
        return f"nothing inside {start.name} fits: it was built with {theirs}, this network with {here}"
    return (
        f"no block of {start.name} fits: its widths are {_words(theirs['widths'])} with "
        f"{len(graph_of(start.model.state_dict()))} partitions, here {_words(here['widths'])} with "
        f"{len(graph_of(network.state_dict()))}"
    )


def describe(
    taken: Taken, network: nn.Module, ours: Meaning, start: Start, preprocessing: Mapping[str, Any]
) -> list[str]:
    """What was taken and what is new, for people to read: a few lines. preprocessing: of the network, plain data."""
    lines = [f"started from {start.name}, all of it taken over" + (" but" if taken.part or taken.new else "")]
    for title, names in (("taken in part", taken.part), ("new", taken.new)):
        if names:
            lines.append(f"  {title}: {', '.join(_grouped(names))}")
    theirs = start.meaning.joints
    if theirs and ours.joints and set(theirs) != set(ours.joints):
        lacking = [joint for joint in ours.joints if joint not in theirs]
        found = len(ours.joints) - len(lacking)
        lines.append(f"  joints: {found} of {len(ours.joints)} by name{_new_ones(lacking)}")
    elif theirs is None:
        lines.append("  its joints have no names: taken in order")
    if isinstance(network, BlackBox):
        lines.append("  what its axes stand for is not known: tensors of the same name and shape are taken as they are")
    pairs = [(start.model.config, network.config), (start.preprocessing, preprocessing)]
    for there, here in pairs:
        wrong = [key for key in there.keys() & here.keys() - FREE if _words(there[key]) != _words(here[key])]
        lines += [f"  {key} there: {_words(there[key])}; here: {_words(here[key])}" for key in sorted(wrong)]
    return lines


def freeze_blocks(network: nn.Module, blocks: int, taken: Taken | None = None) -> list[nn.Module]:
    """Stop the first blocks, and what comes before them, from learning. Returns them; keep them in evaluation mode.

    taken: which tensors were taken, if known. Raises ValueError when a new tensor would be frozen, or when the network
    has fewer blocks.
    """
    members = getattr(network, "members", None)
    parts = {"": network} if members is None else {f"members.{i}.": member for i, member in enumerate(members)}
    there = min(len(getattr(part, "blocks", ())) for part in parts.values())
    if blocks > there:
        raise ValueError(f"freeze is {blocks}, the network has {there} blocks")
    if blocks == 0:
        return []
    names = []
    for prefix, part in parts.items():
        beside = part.beside_blocks(blocks) if isinstance(part, SkeletonNetwork) else ("data_norm",)
        names += [f"{prefix}{name}" for name in beside if hasattr(part, name.partition(".")[0])]
    names += [f"{prefix}blocks.{i}" for prefix in parts for i in range(blocks)]
    unfit = [*taken.part, *taken.new] if taken else []
    if unfit := [name for name in unfit if f"{name}.".startswith(tuple(f"{part}." for part in names))]:
        raise ValueError(f"freeze {blocks} would keep {', '.join(_grouped(unfit))}, of which not all was taken over")
    frozen = [attrgetter(name)(network) for name in names]  # modules, and parameters of the network itself
    for part in frozen:
        part.requires_grad_(False)
    return [part for part in frozen if isinstance(part, nn.Module)]


# ---- axis by axis ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sizes:
    joints: int
    channels: int


def _matches(network: nn.Module, ours: Meaning, start: Start) -> dict[str, Int[np.ndarray, "n"]]:
    """For each kind of axis with names: which of theirs each of ours is, -1 for none."""
    theirs, there, here = start.meaning, _sizes(start.model), _sizes(network)
    classes_there, classes_here = start.model.config["classes"], network.config["classes"]
    known = [(theirs.streams, ours.streams), (theirs.coordinates, ours.coordinates)]
    same_input = here.channels == there.channels and all(a == b or a is None or b is None for a, b in known)
    classes = _match(theirs.classes, ours.classes, classes_there, classes_here)
    if classes_here != classes_there or (classes < 0).any():
        classes[:] = -1  # a few old classes among new ones would have scores of no common scale
    return {
        "joint": _match(theirs.joints, ours.joints, there.joints, here.joints),
        "channel": np.arange(here.channels) if same_input else np.full(here.channels, -1),
        "class": classes,
    }


def _match(theirs: Sequence[str] | None, ours: Sequence[str] | None, there: int, here: int) -> Int[np.ndarray, "n"]:
    if theirs is None or ours is None:
        return np.arange(here) if there == here else np.full(here, -1)
    places = {name: i for i, name in enumerate(theirs)}
    return np.array([places.get(name, -1) for name in ours])


def _sizes(network: nn.Module) -> _Sizes:
    return _Sizes(network.A.shape[1], network.config["channels"])


def _in_member(name: str, network: nn.Module, start: nn.Module) -> tuple[str, nn.Module, nn.Module]:
    """The name of a tensor inside its network, and that network here and there: a member of an ensemble, or itself."""
    if not (found := re.match(MEMBER, name)):
        return name, network, start
    member = found[0].rstrip(".")
    return name[found.end() :], network.get_submodule(member), start.get_submodule(member)


def _channels(match: Mapping[str, Int[np.ndarray, "n"]], here: _Sizes, there: _Sizes) -> dict[str, Any]:
    """Which of their channels each of ours is, for a member that sees some of them."""
    same = here.channels == there.channels and (match["channel"] >= 0).all()
    return {"channel": np.arange(here.channels) if same else np.full(here.channels, -1)}


def _take(name: str, ours: Tensor, theirs: Tensor | None, match: dict[str, Any], here: _Sizes, there: _Sizes) -> str:
    """Copy the part of a tensor that fits. Returns "whole", "part" or "new"."""
    if theirs is None or theirs.ndim != ours.ndim:
        return "new"
    if name == "A" and sorted(match["joint"]) != list(range(there.joints)):
        return "new"  # a piece of a graph is not normalised
    if name.endswith(ALONG_JOINTS) and list(match["joint"]) != list(range(there.joints)):
        return "new"  # other joints are neighbours in the list
    ours, kinds = _apart(name, ours, here)
    theirs, _ = _apart(name, theirs, there)
    to, of = [], []
    for kind, size_here, size_there in zip(kinds, ours.shape, theirs.shape, strict=True):
        if not kind and size_here != size_there:
            return "new"
        found = match[kind] if kind else np.arange(size_here)
        to.append(np.flatnonzero(found >= 0))
        of.append(found[found >= 0])
    if not all(map(len, to)):
        return "new"
    ours[np.ix_(*to)] = theirs[np.ix_(*of)]
    return "whole" if all(len(rows) == size for rows, size in zip(to, ours.shape, strict=True)) else "part"


def _apart(name: str, tensor: Tensor, sizes: _Sizes) -> tuple[Tensor, tuple[str, ...]]:
    """A view of the tensor with every axis that has names apart, and what the axes are, "" for one without names."""
    if name.rpartition(".")[2] in GRAPHS:
        K, nodes, V = len(tensor), tensor.shape[1], sizes.joints  # nodes: the joints, or those of several frames
        return tensor.view(K, nodes // V, V, nodes // V, V), ("", "", "joint", "", "joint")
    if name.startswith("data_norm.") and tensor.numel() % (sizes.joints * sizes.channels) == 0 and tensor.ndim:
        return tensor.view(-1, sizes.joints, sizes.channels), ("", "joint", "channel")  # of each person, or of all
    if name.endswith("temporal.share"):
        return tensor[: sizes.joints], ("joint",)
    if name.startswith("head."):
        return tensor, ("class", "")[: tensor.ndim]
    if name == "contrast.means":
        return tensor, ("", "class")
    if name == "contrast.describe.weight":  # of every pair of joints
        return tensor.view(len(tensor), sizes.joints, sizes.joints), ("", "joint", "joint")
    if name.startswith("blocks.0.") and name.endswith(INPUTS) and tensor.shape[-1] % sizes.channels == 0:
        return tensor.view(len(tensor), -1, sizes.channels), ("", "", "channel")
    return tensor, ("",) * tensor.ndim


# ---- words -----------------------------------------------------------------------------------------------------------


def _grouped(names: Sequence[str]) -> list[str]:
    """Names of tensors, those of a module and of all blocks together: blocks.0-5.graph."""
    blocks: dict[str, list[int]] = {}
    for name in names:
        module = name.rpartition(".")[0] if name.endswith(LEAVES) else name
        found = re.fullmatch(r"blocks\.(\d+)\.(.*)", module)
        blocks.setdefault(f"blocks.{{}}.{found[2]}" if found else module, []).append(int(found[1]) if found else 0)
    words = []
    for name, numbers in blocks.items():
        low, high = min(numbers), max(numbers)
        gaps = set(range(low, high)) - set(numbers)
        several = ",".join(map(str, sorted(set(numbers)))) if gaps else f"{low}-{high}"
        words.append(name.format(several if high > low else low))
    return words


def _new_ones(joints: Sequence[str]) -> str:
    more = f" and {len(joints) - NAMED} more" if len(joints) > NAMED else ""
    return f"; new: {_words(joints[:NAMED])}{more}" if joints else ""


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
