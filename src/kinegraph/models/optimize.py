"""A trained network made quick for inference: what is known beforehand is computed beforehand."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kinegraph.models.layers.absent import check_input, clip_logits
from kinegraph.models.layers.products import pack
from kinegraph.models.network import SkeletonNetwork, network_kind
from kinegraph.models.quickest import EXACT, ROUGH, quickest

FRAMES = 100  # of the clip that chooses the fastest engine
AT_ONCE = 2**15  # rows (frame, joint) that a thread of a CPU computes at once: 19 bodies of 100 frames, 17 joints


def optimize(
    model: nn.Module,
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    at_once: int | None = None,
    engine: Literal["optimized", "auto"] = "optimized",
) -> "Engine | SkeletonNetwork":
    """The same function, for inference: engine(x, people) with x (N, M, T, V, C) -> logits (N, classes) in float32.

    BatchNorm goes into the convolutions before it, graphs and constants are computed once, convolutions over time take
    fewer multiplications (float32 on a CPU), and bodies are computed a few at a time, so that memory does not grow with
    the batch. The model is left alone; later changes of it are not seen.

    model: a SkeletonNetwork in float32 or float64. Its `fold` gives the folded network; a network of the user's own
        without `fold` is copied, and computes a few bodies at a time.
    precision: "fp32" gives the model's logits to about 1e-6 of their size, "bf16" to about 1e-2. "auto" takes bf16
        on a GPU with matrix units for it, on a CPU with such units (AMX) if it is measured faster there (once, and
        kept), and fp32 elsewhere.
    at_once: bodies to compute at once; by default some on a CPU, where each thread has its own, and all on a GPU.
    engine: "auto" measures on a CPU which is the fastest for one body of 100 frames: the network itself, this in fp32
        or, where the precision allows it, this in bf16; once for each machine and network. It gives that one.
    Raises ValueError for another network or one with its own forward, an unknown precision or engine, and no body at
    once.
    """
    if not isinstance(model, SkeletonNetwork) or not can_optimize(model):
        own = " with its own forward" if isinstance(model, SkeletonNetwork) else ""
        raise ValueError(f"a {network_kind(model).__name__}{own} cannot be optimized, expected a SkeletonNetwork")
    if precision not in ("auto", "fp32", "bf16"):
        raise ValueError(f"precision is '{precision}', expected auto, fp32 or bf16")
    if at_once is not None and at_once < 1:
        raise ValueError(f"at_once is {at_once}, expected at least 1 body")
    if engine not in ("optimized", "auto"):
        raise ValueError(f"engine is '{engine}', expected optimized or auto")
    device = model.A.device
    unsure = precision == "auto" and has_bf16_units(device)
    if device.type == "cpu" and (engine == "auto" or unsure):
        return _quickest(model, precision, at_once, engine)
    if precision == "auto":
        precision = "bf16" if has_bf16_units(device) else "fp32"
    return Engine(model, torch.bfloat16 if precision == "bf16" else torch.float32, at_once).to(device)


def _quickest(model: SkeletonNetwork, precision: str, at_once: int | None, engine: str) -> "Engine | SkeletonNetwork":
    """The fastest of the network itself (engine "auto"), the engine in fp32 and, where precision allows it, in bf16."""
    people = model.config.get("people")
    people = people if isinstance(people, int) else 1  # a class of the user's own may call anything so
    graph, shape = model.A, (1, people, FRAMES, model.A.shape[1], model.config["channels"])
    ways: dict[str, Callable[[], Engine | SkeletonNetwork]] = {}
    if engine == "auto":
        ways["torch"] = lambda: deepcopy(model).eval().float()
    ways["optimized"] = lambda: Engine(model, torch.float32, at_once)
    if precision != "fp32":
        ways["optimized bf16"] = lambda: Engine(model, torch.bfloat16, at_once)
    about = {"network": network_kind(model).__name__, "config": model.config, "graph": list(graph.shape)}
    about |= {"clips": shape, "threads": torch.get_num_threads(), "at_once": at_once}
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return quickest(ways, partial(_logits, x=x), about, EXACT if precision == "fp32" else ROUGH).way


@torch.no_grad()
def _logits(network: nn.Module, x: Float[Tensor, "N M T V C"]) -> Float[np.ndarray, "N classes"]:
    return network(x).numpy()


def can_optimize(model: nn.Module) -> bool:
    """Whether a network computes what `SkeletonNetwork` says: a head over the mean features of bodies."""
    return isinstance(model, SkeletonNetwork) and type(model).forward is SkeletonNetwork.forward


def has_bf16_units(device: torch.device) -> bool:
    """Whether the device has matrix units for bfloat16.

    AVX512-BF16 alone does not count: vectors of bfloat16 make networks 1.7 to 2.1 times as quick at logits that differ
    by 1e-2, which is left to those who ask for it.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()


class Engine(nn.Module):
    """What `optimize` returns. dtype: of all between the first BatchNorm and the mean over time and joints."""

    def __init__(self, model: SkeletonNetwork, dtype: torch.dtype, at_once: int | None):
        super().__init__()
        self.config, self.at_once = model.config, at_once
        self.weights = getattr(model, "weights", None)  # what load_model knows of it
        network = model.fold(dtype)
        if dtype == torch.float32:
            pack(network)
        there = {tensor.dtype for tensor in (*network.parameters(), *network.buffers())}
        self.network = network if dtype in {torch.float32, *there} else UnderAutocast(network, dtype)

    @property
    def A(self) -> Float[Tensor, "K V V"]:
        return self.network.A

    @torch.no_grad()
    def forward(
        self, x: Float[Tensor, "N M T V C"], people: Int[Tensor, "N"] | None = None
    ) -> Float[Tensor, "N classes"]:
        """Logits, before any softmax. people: how many bodies of each clip are real; the others are computed once."""
        check_input(self.network, x)
        at_once = self.at_once
        if at_once is None and x.device.type == "cpu":
            at_once = self.network.at_once or max(1, AT_ONCE // (x.shape[2] * x.shape[3]))
        with torch.autocast(x.device.type, enabled=False):  # the precision is decided
            return clip_logits(self.network, x.float(), people, at_once)

    def train(self, mode: bool = True) -> "Engine":
        """Stays in evaluation mode: there is no BatchNorm left that could be trained."""
        return super().train(False)


class UnderAutocast(nn.Module):
    """A network that its `fold` left in float32; its features are computed as torch's autocast to dtype does."""

    takes_copies, at_once = False, None

    def __init__(self, network: SkeletonNetwork, dtype: torch.dtype):
        super().__init__()
        self.inner, self.config, self.head, self.dtype = network, network.config, network.head, dtype

    @property
    def A(self) -> Float[Tensor, "K V V"]:
        return self.inner.A

    def whole_clips(self, x: Float[Tensor, "N M T V C"]) -> Float[Tensor, "N M T V C"]:
        return self.inner.whole_clips(x)

    def forward_features(self, x: Float[Tensor, "B T V C"]) -> Float[Tensor, "B S V D"]:
        with torch.autocast(x.device.type, self.dtype):  # here, since every thread has its own
            return self.inner.forward_features(x)
