"""Kinegraph: the network as `train` runs it, and for inference the engine that `kinegraph.optimize` makes of it."""

import torch
from contestants import torch_steps
from jobs import Job

import kinegraph
from kinegraph.models.optimize import optimize
from kinegraph.models.published import load_published


def prepare(job: Job) -> torch_steps.Step:
    network = load_published(torch_steps.load(job.weights))
    if job.optimized and not job.training:
        engine = optimize(network.to(job.device), job.precision)
        return torch_steps.step(job, engine, takes_people=True, cast=False)
    return torch_steps.step(job, network, takes_people=True)


def versions() -> dict[str, str]:
    return {"kinegraph": kinegraph.__version__, "torch": torch.__version__}
