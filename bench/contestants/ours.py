"""Kinegraph: the network as `train` runs it, and for inference the engine that `kinegraph.optimize` makes of it."""

import torch
from contestants import torch_steps
from jobs import CLASSES, STREAMED, Job, batch

import kinegraph
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.optimize import optimize
from kinegraph.models.published import load_published
from kinegraph.models.weights import Weights
from kinegraph.skeleton.layout import load_layout


def prepare(job: Job) -> torch_steps.Step:
    network = load_published(torch_steps.load(job.weights))
    if job.streamed:
        return stream(job, network.eval())
    if job.optimized and not job.training:
        engine = optimize(network.to(job.device), job.precision)
        return torch_steps.step(job, engine, takes_people=True, cast=False)
    return torch_steps.step(job, network, takes_people=True)


def stream(job: Job, network: torch.nn.Module) -> torch_steps.Step:
    """Frames through `kinegraph.Stream`, preparation included; before the first step all windows are full."""
    layout = load_layout({17: "coco17", 25: "ntu25"}[job.joints])
    steps = Preprocessing(people=1, sampling="window", frames=job.frames)
    weights = Weights(network, layout, tuple(map(str, range(CLASSES))), steps.to_dict(), {})
    running = kinegraph.Stream(weights, fps=30, people=job.clips, window=job.frames, compare=False)
    assert running.engine == "exact"
    frames, ids = batch(job)[0][:, 0].swapaxes(0, 1), range(job.clips)  # (T, P, V, C)

    def push(count: int) -> None:
        for _ in range(count):
            running.push(frames[(running.frame + 1) % len(frames)], ids=ids)

    push(2 * job.frames)
    return lambda: push(STREAMED)


def versions() -> dict[str, str]:
    return {"kinegraph": kinegraph.__version__, "torch": torch.__version__}
