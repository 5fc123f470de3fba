"""From clips to the bodies in them and back: a network sees bodies, one apart from another."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from threading import Barrier

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def clip_logits(
    model: nn.Module,
    x: Float[Tensor, "N M T V C"],
    people: Int[Tensor, "N"] | None = None,
    at_once: int | None = None,
) -> Float[Tensor, "N classes"]:
    """head(mean over people, time and joints of model.bodies), absent people counted like real ones.

    people: how many bodies of each clip are real, the first ones. Of the others those that look like the first of them
        (they do: padding) are computed as one body that stands for all, to the same logits, gradients and statistics.
        Not in training with dropout, which makes them differ.
    at_once: compute so many bodies at once, not all, see `in_parts`; only outside training, where bodies do not touch.
    """
    check_input(model, x)
    N, M = x.shape[:2]
    x = x.flatten(0, 1)  # (N M, T, V, C)
    place, copies = None, 1
    if people is not None and not (model.training and model.config["dropout"] > 0):
        x, place, copies = one_for_absent(x, people, M)
    features = partial(mean_features, model, copies=copies)
    y = features(x) if at_once is None else in_parts(features, x, at_once)  # (B, D)
    y = y if place is None else y[place]
    return model.head(y.view(N, M, -1).mean(1))


def clip_features(model: nn.Module, x: Float[Tensor, "N M T V C"]) -> Float[Tensor, "N M S V D"]:
    """What the last block says of each person, moment and joint; their mean through `head` gives the logits."""
    check_input(model, x)
    return model.bodies(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def mean_features(model: nn.Module, x: Float[Tensor, "B T V C"], copies: int = 1) -> Float[Tensor, "B D"]:
    """Mean over time and joints of what the last block says, at least in float32."""
    y = model.bodies(x, copies)
    return y.mean((1, 2), dtype=torch.promote_types(y.dtype, torch.float32))


def in_parts(function: Callable[[Tensor], Tensor], x: Float[Tensor, "B ..."], at_once: int) -> Float[Tensor, "B ..."]:
    """function(x) of at_once rows at a time, without gradients.

    On a CPU torch's threads do not share every operation: each computes whole bodies, so they wait for each other once,
    not hundreds of times, and what they compute stays in their own caches.
    """
    threads = 1 if x.device.type != "cpu" or torch.compiler.is_compiling() else torch.get_num_threads()
    workers = max(1, min(threads, len(x)))
    rounds = -(-len(x) // (at_once * workers))
    parts = x.tensor_split(max(1, min(rounds * workers, len(x))))
    if workers == 1:
        return torch.cat([function(part) for part in parts])
    return torch.cat(list(_pool(workers, threads, os.getpid()).map(torch.no_grad()(function), parts)))


@cache
def _pool(workers: int, threads: int, process: int) -> ThreadPoolExecutor:
    """Workers that share torch's threads, kept: process makes sure of it, as a forked one has none of their threads."""
    ready = Barrier(workers)
    pool = ThreadPoolExecutor(workers, initializer=_take_share, initargs=(threads // workers,))
    list(pool.map(lambda _: ready.wait(), range(workers)))  # all are there
    torch.set_num_threads(threads)  # the workers' number is also that of threads yet to come
    return pool


def _take_share(threads: int) -> None:
    torch.get_num_threads()  # a thread takes the common number when it is first asked: before it gets its own
    torch.set_num_threads(threads)


def one_for_absent(
    x: Float[Tensor, "NM T V C"], people: Int[Tensor, "N"], bodies: int
) -> tuple[Float[Tensor, "B T V C"], Int[Tensor, "NM"] | None, int]:
    """The bodies to compute, which of them each body of x is (None: itself), and how many the last one stands for.

    bodies: M, of each clip.
    """
    real = (torch.arange(bodies, device=x.device) < people.to(x.device)[:, None]).flatten()  # (N M)
    absent = x[~real]
    real[~real] = (absent != absent[:1]).flatten(1).any(1)  # one who is not like the others is computed as well
    copies = len(x) - int(real.sum())
    if copies < 2:
        return x, None, 1
    place = torch.where(real, real.cumsum(0) - 1, len(x) - copies)
    return torch.cat((x[real], absent[:1])), place, copies


def check_input(model: nn.Module, x: Tensor) -> None:
    """Raises ValueError when clips are not what a network was built for."""
    if x.ndim != 5:
        raise ValueError(f"the network takes (clips, people, frames, joints, channels), found shape {tuple(x.shape)}")
    for axis, what, built in ((3, "joints", model.A.shape[1]), (4, "channels", model.config["channels"])):
        if x.shape[axis] != built:
            raise ValueError(f"the network was built for {built} {what}, the clips have {x.shape[axis]}")
