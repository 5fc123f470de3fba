"""A piece of work that every contestant can be given, and the clips it is done on. Imports nothing but numpy."""

import json
from dataclasses import asdict, dataclass

import numpy as np

CHANNELS, CLASSES = 3, 60
STREAMED = 40  # frames: ten times all phases of two strides of 2
MODES = ("eager", "compiled", "compiled, CUDA graphs", "CUDA graph")  # the last: an eager step, recorded and replayed


@dataclass(frozen=True)
class Job:
    """One call: the logits of a batch, or one training step on it.

    network: stgcn, stgcnpp, agcn, or one of networks.NEWER, all as published. alone: how many of the clips show one
    person; the second body of those is zeros. precision: fp32, bf16, or fp64 for a reference. optimized: the inference
    engine instead of the network as it is, where a contestant has one. weights: a .npz file with MMAction2's names.
    streamed: STREAMED more frames of every clip, one by one, in place of the clips. mode: one of MODES. Where it is not
    eager every body is computed, the absent ones too: shapes must not change.
    """

    weights: str
    network: str = "stgcn"
    clips: int = 16
    people: int = 2
    frames: int = 100
    joints: int = 17
    alone: int = 0
    training: bool = False
    precision: str = "fp32"
    optimized: bool = True
    threads: int = 1
    device: str = "cpu"
    mode: str = "eager"
    streamed: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def batch(job: Job) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clips (N, M, T, V, C), people (N) and labels (N) of a job: random numbers, the same for every contestant."""
    rng = np.random.default_rng(0)
    clips = rng.normal(size=(job.clips, job.people, job.frames, job.joints, CHANNELS)).astype(np.float32)
    people = np.full(job.clips, job.people)
    people[rng.permutation(job.clips)[: job.alone]] = 1
    clips[np.arange(job.people) >= people[:, None]] = 0.0
    return clips, people, rng.integers(CLASSES, size=job.clips)
