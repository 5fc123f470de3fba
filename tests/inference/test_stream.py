"""A stream answers as the network answers about the complete recording, or about the latest frames of it."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import kinegraph as kg
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import Weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from tests.made_up import body

NAMES = ("sit", "stand", "walk", "wave")
CAUSAL = {
    "none": {"normalize": "none", "people": 1},
    "published": {"normalize": "ntu_published", "sampling": "fill", "people": 2},
    "first frame": {"normalize": "first_frame", "people": 2, "streams": ("joint", "bone")},
    "facing": {"normalize": "facing", "people": 3, "streams": ("bone", "joint_motion")},
    "pixels": {"normalize": "image", "people": 2, "layout": "coco17", "min_score": 0.1},
    "published pixels": {"normalize": "image_published", "people": 2, "layout": "coco17"},
}


def weights(how: Preprocessing, layout="ntu25", scored=False, kind=STGCN, extra=None, **options) -> Weights:
    """Untrained weights whose answers are far from even."""
    torch.manual_seed(3)
    skeleton = load_layout(layout)
    channels = how.channels(2 if layout == "coco17" else 3, scored)
    network = kind(adjacency(skeleton, "spatial"), channels, len(NAMES), **{"widths": (8, 16)} | options).eval()
    torch.nn.init.normal_(network.head.weight, 0.0, 3.0)
    return Weights(network, skeleton, NAMES, how.to_dict(), extra or {})


def recording(frames: int, people=1, layout="ntu25", seed=0) -> SkeletonClip:
    rng = np.random.default_rng(seed)
    flat = layout == "coco17"
    rest = np.stack([body(layout, 2 if flat else 3, seed=seed + i) + 3 * i for i in range(people)])[:, None]
    place = rest + rng.normal(0, 0.05, (people, frames, *rest.shape[2:])).cumsum(1) / 5
    score = rng.uniform(0, 1, place.shape[:3]).astype(np.float32) if flat else None
    place = (place * 200 + 500 if flat else place).astype(np.float32)
    return SkeletonClip(place, load_layout(layout), "r", score=score, image_size=(1920, 1080) if flat else None)


def push_all(stream: kg.Stream, clip: SkeletonClip, ids=True) -> list:
    scores = [None] * clip.frames if clip.score is None else clip.score.swapaxes(0, 1)
    names = list(range(clip.people)) if ids else None
    return [stream.push(x, s, ids=names) for x, s in zip(clip.keypoint.swapaxes(0, 1), scores, strict=True)]


def of_recording(known: Weights, clip: SkeletonClip, person: int, frames: slice) -> np.ndarray:
    """What `kg.predict` says of one person, each frame once."""
    part = replace(
        clip,
        keypoint=clip.keypoint[person : person + 1, frames],
        score=None if clip.score is None else clip.score[person : person + 1, frames],
    )
    how = replace(Preprocessing.from_dict(known.preprocessing), sampling="pad", frames=part.frames)
    return kg.predict(known, part, preprocessing=how, compare=False).probabilities


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(CAUSAL)), frames=st.integers(1, 40), people=st.integers(1, 3))
def test_the_exact_stream_answers_as_for_the_complete_recording(name, frames, people):
    how = dict(CAUSAL[name])
    layout = how.pop("layout", "ntu25")
    known = weights(Preprocessing(**how), layout, scored=layout == "coco17", strides=(1, 2))
    clip = recording(frames, people, layout, seed=frames)
    stream = kg.Stream(known, fps=30, people=3, window="start", image_size=clip.image_size, compare=False)
    assert stream.engine == "exact"
    push_all(stream, clip)
    answers = {answer.person: answer for answer in stream.finish()}
    assert answers.keys() == set(range(people))
    for person, answer in answers.items():
        expected = of_recording(known, clip, person, slice(None))
        np.testing.assert_allclose(answer.prediction.probabilities, expected, atol=2e-6)
        assert (answer.start, answer.stop) == (0, (frames - 1) // 2 * 2 + 1)
