"""Whether bfloat16 is faster than float32 on this machine: measured, because a processor's flags do not say it."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from kinegraph.models.network import network_kind
from kinegraph.models.optimize import has_bf16_units
from kinegraph.models.quickest import quickest, shown
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import built_with

FRAMES = 100  # of the made-up clips where a recipe does not say it
SMALL = {"joints": 20, "channels": 12, "classes": 20, "widths": [32, 64, 64], "clips": [4, 1, 32, 20, 12]}
WORK = {"answer": "an answer", "step": "a training step"}


def slower_bf16(network: nn.Module, work: Literal["answer", "step"], people: int, frames: int | None = None) -> str:
    """A line of advice where float32 is faster than bf16-mixed on this CPU; "" where it is not, or on a GPU.

    network: stays as it is. people, frames: of a clip. Of a training step two clips are measured.
    """
    graph, config = built_with(network)
    if graph.device.type != "cpu":
        return ""
    shape = [1 + (work == "step"), people, frames or FRAMES, graph.shape[1], config["channels"]]
    about = {"work": work, "network": network_kind(network).__name__, "config": config, "clips": shape}
    about |= {"partitions": len(graph), "threads": torch.get_num_threads()}
    copy = deepcopy(network).float().train(work == "step")
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    step = partial(_step, copy, x) if work == "step" else partial(_answer, copy, x)
    ways: dict[str, Callable[[], bool]] = {"32-true": lambda: False, "bf16-mixed": lambda: True}
    try:
        with torch.random.fork_rng(devices=[]):  # dropout draws from it
            times = quickest(ways, step, about, np.inf).measured.milliseconds
    except (ValueError, RuntimeError):  # a network of the user's own that takes other clips: there is no advice
        return ""
    exact, rough = times["32-true"], times["bf16-mixed"]
    if rough <= exact:
        return ""
    return (
        f"bf16-mixed is slower than 32-true on this machine: {WORK[work]} takes {shown(rough)} instead of "
        f"{shown(exact)}; leave --precision out"
    )


def faster_training(accelerator: str) -> Literal["32-true", "bf16-mixed"]:
    """The precision in which a small ST-GCN takes a training step faster where a run will be.

    Of a GPU the units for bfloat16 decide; a CPU is measured once.
    """
    if accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available():
        return "bf16-mixed" if has_bf16_units(torch.device("cuda")) else "32-true"
    if accelerator not in ("auto", "cpu"):
        return "32-true"
    with torch.random.fork_rng(devices=[]):  # weights are drawn
        adjacency = torch.eye(SMALL["joints"])[None]
        network = STGCN(adjacency, SMALL["channels"], SMALL["classes"], widths=SMALL["widths"]).train()
    x = torch.randn(SMALL["clips"], generator=torch.Generator().manual_seed(0))
    about = {"work": "precision auto", "network": SMALL, "threads": torch.get_num_threads()}
    ways: dict[str, Callable[[], bool]] = {"32-true": lambda: False, "bf16-mixed": lambda: True}
    return "bf16-mixed" if quickest(ways, partial(_step, network, x), about, np.inf).way else "32-true"


def _answer(network: nn.Module, x: Tensor, bf16: bool) -> np.ndarray:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return network(x).float().numpy()


def _step(network: nn.Module, x: Tensor, bf16: bool) -> np.ndarray:
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = network(x).float().logsumexp(1).mean()
    loss.backward()
    return np.zeros(1)
