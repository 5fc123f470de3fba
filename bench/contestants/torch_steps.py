"""One inference or training step of a torch network, as plainly as torch's own examples write it."""

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import torch
from jobs import Job, batch
from torch import Tensor, nn
from torch.nn import functional as F

Step = Callable[[], Tensor]
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp64": torch.float64}


def load(path: str) -> dict[str, Tensor]:
    with np.load(path) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def step(job: Job, network: nn.Module, *, takes_people: bool = False, cast: bool = True) -> Step:
    """What is timed. Returns logits (inference) or the loss (training). bf16 is autocast over fp32 weights.

    cast: false for a network that is in bf16 by itself.
    """
    clips, people, labels = (torch.from_numpy(array).to(job.device) for array in batch(job))
    if job.precision == "fp64":
        network, clips = network.double(), clips.double()
    network = network.to(job.device).train(job.training)
    given = (clips, people) if takes_people else (clips,)

    cast = cast and job.precision == "bf16"

    def precision():
        return torch.autocast(job.device, torch.bfloat16) if cast else nullcontext()

    def infer() -> Tensor:
        with torch.inference_mode(), precision():
            return network(*given)

    if not job.training:
        return infer
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=1e-4)

    def train() -> Tensor:
        with precision():
            loss = F.cross_entropy(network(*given).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return train
