"""Any nn.Module of clips (N, M, T, V, C) -> logits as a network, and what is asked of a class that a user wrote."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kinegraph.models.layers.absent import check_input


class BlackBox(nn.Module):
    """Any nn.Module of clips (N, M, T, V, C) -> logits, with what is recorded to build it again.

    kind: its class, called as kind(adjacency, channels, classes, **options). options: plain values.
    What is inside is not known: it is not explained, nor made quicker, and every absent person is computed.
    """

    A: Float[Tensor, "K V V"]

    def __init__(
        self,
        kind: type[nn.Module],
        adjacency: Float[Tensor, "K V V"] | Float[np.ndarray, "K V V"],
        channels: int,
        classes: int,
        /,
        **options: Any,
    ):
        super().__init__()
        graph = torch.as_tensor(adjacency, dtype=torch.get_default_dtype())
        check_sizes(graph, channels, classes)
        bind_arguments(kind, graph, channels, classes, options)
        self.config = {"channels": channels, "classes": classes} | {
            key: plain(option) for key, option in options.items()
        }
        self.register_buffer("A", graph.clone())
        self.module = kind(graph, channels, classes, **options)

    def forward(
        self, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None = None
    ) -> Float[Tensor, "N classes"]:
        """Logits, before any softmax. people: is not looked at."""
        check_input(self, x)
        logits = self.module(x)
        check_logits(logits, x.shape[0], self.config["classes"], type(self.module))
        return logits


def bind_arguments(
    kind: Callable[..., Any], graph: Any, channels: int, classes: int, options: Mapping[str, Any]
) -> None:
    """Raises ValueError where a class cannot be called with a graph, channels, classes and these options."""
    try:
        inspect.signature(kind).bind(graph, channels, classes, **options)
    except TypeError as error:
        raise ValueError(
            f"{kind.__qualname__} cannot be built as {kind.__qualname__}(adjacency, channels, classes, options): "
            f"{error}; its constructor has {inspect.signature(kind)}, and has to begin with these three under any names"
        ) from None


def check_logits(logits: object, clips: int, classes: int, kind: type) -> None:
    """Raises ValueError where a network of the user's own returns anything but logits (N, classes)."""
    if isinstance(logits, Tensor) and logits.shape == (clips, classes):
        return
    found = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
    more = "" if isinstance(logits, Tensor) else "; a second loss is `own_loss` of a SkeletonNetwork"
    raise ValueError(
        f"{kind.__name__}.forward returns {found}, expected only the logits, a tensor (clips, classes) of shape "
        f"({clips}, {classes}){more}"
    )


def plain(value: Any) -> Any:
    """Tuples as lists and numpy's numbers as Python's, so that JSON gives back what was written."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def check_sizes(graph: Tensor, channels: int, classes: int) -> None:
    """Raises ValueError when a graph is none, or there are no channels or classes."""
    if graph.ndim != 3 or graph.shape[1] != graph.shape[2]:
        raise ValueError(f"the adjacency has shape {tuple(graph.shape)}, expected (partitions, joints, joints)")
    for name, number in (("channels", channels), ("classes", classes)):
        if number < 1:
            raise ValueError(f"{name} is {number}, expected at least 1")
