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
    torch.backends.cudnn.allow_tf32 = False  # torch's default rounds inputs of convolutions to 10 bits: no fp32
    clips, people, labels = (torch.from_numpy(array).to(job.device) for array in batch(job))
    if job.precision == "fp64":
        network, clips = network.double(), clips.double()
    network = network.to(job.device).train(job.training)
    given = (clips, people) if takes_people and job.mode == "eager" else (clips,)
    network = compiled(job, network)
    cast = cast and job.precision == "bf16"

    def precision():
        return torch.autocast(job.device, torch.bfloat16) if cast else nullcontext()

    def infer() -> Tensor:
        with torch.inference_mode(), precision():
            return network(*given)

    if not job.training:
        return recorded(infer) if job.mode == "CUDA graph" else infer
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=1e-4)

    def train() -> Tensor:
        if job.mode == "compiled, CUDA graphs":
            torch.compiler.cudagraph_mark_step_begin()
        with precision():
            loss = F.cross_entropy(network(*given).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return train


def compiled(job: Job, network: nn.Module) -> nn.Module:
    """The network as `kinegraph train --compile` compiles it. On a CPU it is only traced: compiling takes a minute."""
    if not job.mode.startswith("compiled"):
        return network
    if job.device != "cuda":
        return torch.compile(network, backend="eager", dynamic=False)
    return torch.compile(network, mode="reduce-overhead" if "graphs" in job.mode else "default", dynamic=False)


def recorded(infer: Step) -> Step:
    """The kernels of a step, recorded once and replayed: no Python, no launch of single kernels."""
    if not torch.cuda.is_available():
        raise LookupError("a CUDA graph needs a CUDA device")
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # libraries choose and allocate before the recording
        for _ in range(3):
            infer()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits = infer()

    def replay() -> Tensor:
        graph.replay()
        return logits

    return replay
