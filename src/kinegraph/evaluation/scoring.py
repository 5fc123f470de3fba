"""The scores of every clip of a split, from one process or several, in dataset order."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kinegraph.data.loading import ClipDataset, fixed_loader
from kinegraph.models.optimize import can_optimize, optimize

if TYPE_CHECKING:  # it takes as long to import as torch, and prediction does without it
    from lightning_fabric import Fabric


@torch.no_grad()
def score_clips(
    fabric: "Fabric",
    network: nn.Module,
    clips: ClipDataset,
    classes: int,
    batch_size: int,
    workers: int = 0,
    done: Callable[[int], None] = lambda clips: None,
    optimized: bool = True,
) -> Float[np.ndarray, "N classes"]:
    """Logits of each clip; where a clip has several test views, the log of their mean probability. float32.

    Every process scores its share and all of them return the whole. `done` is called with each batch's number of clips.
    A network that `optimize` knows is folded once for all clips; in bfloat16 if it is trained so. optimized: False
    takes it as it is.
    """
    scores = torch.zeros(len(clips), classes, device=fabric.device)
    dtype = next(network.parameters()).dtype
    was_training = network.training
    network.eval()
    quick = _optimized(network, fabric) if optimized else network
    loader = fixed_loader(clips, batch_size, rank=fabric.global_rank, processes=fabric.world_size, workers=workers)
    for views, _, people, positions in loader:
        with fabric.autocast():
            # The rows too: numbers on the CPU would make it wait for the GPU.
            views, people, rows = map(fabric.to_device, (views, people, positions))
            scores[rows] = view_scores(quick, views.to(dtype), people).float()
        done(len(positions) * fabric.world_size)
    network.train(was_training)
    if fabric.world_size > 1:  # the other rows of each are zero: the sum is exact
        scores = fabric.all_reduce(scores, reduce_op="sum")
    return scores.cpu().numpy()


def _optimized(network: nn.Module, fabric: "Fabric") -> nn.Module:
    """The engine of a float32 network, in the precision of the run; other networks as they are."""
    if not can_optimize(network) or next(network.parameters()).dtype != torch.float32:
        return network
    device = fabric.device.type
    with fabric.autocast():
        precision = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    names = {torch.float32: "fp32", torch.bfloat16: "bf16"}
    return optimize(network, names[precision]) if precision in names else network


def view_scores(
    network: nn.Module, views: Float[Tensor, "N views M T V C"], people: Int[Tensor, "N"]
) -> Float[Tensor, "N classes"]:
    """One row a clip: its logits, or the log of the mean probability of its views."""
    clips, count = views.shape[:2]
    logits = network(views.flatten(0, 1), people.repeat_interleave(count)).view(clips, count, -1)
    if count == 1:
        return logits[:, 0]
    return logits.log_softmax(-1).logsumexp(1) - np.log(count)
