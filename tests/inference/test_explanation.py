"""Explanations: the map is the logit taken apart, and it lands on the frames and people that it came from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference.explanation import (
    activation_map,
    clip_evidence,
    frames_seen,
    joint_importance,
    joint_shares,
    left_out,
)
from kinegraph.inference.predictor import Predictor
from kinegraph.models.agcn import AGCN
from kinegraph.models.ensemble import Ensemble
from kinegraph.models.network import SkeletonNetwork
from kinegraph.models.stgcn import STGCN
from kinegraph.models.stgcnpp import STGCNPP
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout

LAYOUT = load_layout("ntu25")
GRAPH = torch.from_numpy(adjacency(LAYOUT, "spatial")).float()
HOW = Preprocessing(normalize="none", sampling="resample", frames=16)


def a_network(kind=STGCN, classes=4, **options):
    """With heads and norms far from their quiet start, so that logits are large and no share is nothing."""
    torch.manual_seed(0)
    network = kind(GRAPH, 3, classes, widths=[8, 8, 16], **options)
    for name, parameter in network.named_parameters():
        if "norm" in name or "head" in name:
            torch.nn.init.normal_(parameter, 0.3)
    return network.eval()


def a_clip(frames=20, people=1):
    rng = np.random.default_rng(frames)
    return SkeletonClip(rng.normal(size=(people, frames, 25, 3)).astype(np.float32), LAYOUT)


@pytest.mark.parametrize("kind", [STGCN, STGCNPP, AGCN])
@pytest.mark.parametrize("count", [None, [2, 1, 0]])
def test_the_map_sums_to_the_logit(kind, count):
    network, x = a_network(kind), torch.randn(3, 2, 13, 25, 3)
    people = None if count is None else torch.tensor(count)
    for real, clip in zip(count or [], x, strict=False):
        clip[real:] = 0
    with torch.no_grad():
        logits = network(x)
    assert logits.std() > 0.1
    for label in range(4):
        said = activation_map(network, x, torch.full((3,), label), people)
        assert said.shape == (3, 2, 7, 25)
        torch.testing.assert_close(said.sum((1, 2, 3)), logits[:, label], atol=1e-5, rtol=1e-5)
        apart = activation_map(network, x, torch.full((3,), label), people, contrast=True)
        torch.testing.assert_close(apart.sum((1, 2, 3)), logits[:, label] - logits.mean(1), atol=1e-5, rtol=1e-5)
    best = activation_map(network, x, people=people)
    torch.testing.assert_close(best.sum((1, 2, 3)), logits.max(1).values, atol=1e-5, rtol=1e-5)


class Pooled(SkeletonNetwork):
    def forward_features(self, x):
        return x.amax((1, 2), keepdim=True)


def test_a_network_that_has_pooled_its_joints_is_named_with_the_remedy():
    with pytest.raises(ValueError, match=r"Pooled .* shape \(1, 1, 1, 3\), not .* 25 joints; say keeps_places = False"):
        activation_map(Pooled(GRAPH, 3, 4).eval(), torch.ones(1, 1, 8, 25, 3))


@settings(max_examples=25)
@given(
    recorded=st.integers(1, 60),
    sampling=st.sampled_from(["loop", "pad", "window", "uniform", "uniform_random_start", "resample"]),
    normalize=st.sampled_from(["none", "first_frame", "first_frame_centre"]),
)
def test_each_frame_of_the_network_is_found_in_the_recording(recorded, sampling, normalize):
    """A joint that carries the frame's number tells where each prepared frame came from."""
    from kinegraph.data.preprocessing import prepare_clip

    clip = a_clip(recorded)
    how = Preprocessing(people=1, normalize="none", sampling=sampling, frames=24)
    numbered = clip.keypoint.copy()
    numbered[0, :, 7, 0] = 5 + np.arange(recorded)
    seen = prepare_clip(replace(clip, keypoint=numbered), how)[:, 0, :, 7, 0]
    times, order = frames_seen(clip, replace(how, normalize=normalize))
    np.testing.assert_allclose(np.where(np.isnan(times), 0, times + 5), seen, atol=1e-4)
    assert order == [0]


def test_dropped_frames_and_exchanged_people_are_put_back():
    clip = a_clip(frames=8, people=2)
    clip.keypoint[0, :4] = 0  # the second person is there for longer, without frame 6
    clip.keypoint[1, 6] = 0
    how = Preprocessing(people=2, normalize="first_frame", sampling="loop", frames=7)
    times, order = frames_seen(clip, how)
    assert order == [1, 0]
    assert times.tolist() == [[0, 1, 2, 3, 4, 5, 7]]
    found = clip_evidence(Predictor(a_network(), LAYOUT, tuple("abcd"), how), clip)
    assert not found[0, :4].any()
    assert found[0, 4:6].all()
    assert not found[1, 6].any()


def test_evidence_lies_where_the_network_looks():
    """A network that only sees one joint: a head of one feature, which is that joint's height."""

    class Listening(SkeletonNetwork):
        def __init__(self):
            super().__init__(torch.ones(1, 25, 25), channels=3, classes=2, width=1)
            self.head.weight.data, self.head.bias.data = torch.tensor([[1.0], [-1.0]]), torch.zeros(2)

        def forward_features(self, x):
            return x[..., :1] * (torch.arange(25) == 7)[:, None]  # (B, T, V, 1)

    clip = a_clip(frames=10, people=1)
    clip.keypoint[0, :, 7, 0] = [0, 0, 0, 1, 4, 1, 0, 0, 0, 0]
    predictor = Predictor(Listening(), LAYOUT, ("high", "low"), replace(HOW, frames=10, people=1))
    drawn = joint_importance(predictor, clip)
    assert drawn.shape == (1, 10, 25)
    assert drawn[0, :, 7].argmax() == 4
    assert not np.delete(drawn[0], 7, axis=1).any()
    assert joint_shares(predictor, [clip]).overall[7] == pytest.approx(1)
    assert not joint_importance(predictor, clip, label=1).any()  # nothing speaks for the other class
    mirrored = replace(predictor, preprocessing=replace(predictor.preprocessing, test_mirror=True))
    said = clip_evidence(mirrored, clip)[0].sum(axis=0)
    assert set(np.flatnonzero(np.abs(said) > 1e-9)) == {7, LAYOUT.mirrored()[7]}


def test_members_that_see_whole_bodies_are_left_out_and_named():
    """They would share their evidence evenly among the joints, and hide that of the others."""
    members = [
        {"network": "kinegraph.models.stgcn.STGCN", "widths": [8, 8, 16]},
        {"network": "kinegraph.models.jointdistances.JointDistances"},
    ]
    torch.manual_seed(0)
    network = Ensemble(GRAPH, 3, 4, members=members).eval()
    quiet = Ensemble(GRAPH, 3, 4, members=members).eval()
    quiet.load_state_dict(network.state_dict())
    quiet.head.weight.data[:, 16:] = 0
    x, label = torch.randn(1, 1, 16, 25, 3), torch.tensor([2])
    found = activation_map(network, x, label, contrast=True)
    torch.testing.assert_close(found, activation_map(quiet, x, label, contrast=True))
    predictor = Predictor(network, LAYOUT, tuple("abcd"), HOW)
    assert left_out(predictor) == "left out is what sees bodies as a whole: member 2 (JointDistances)"
    assert left_out(Predictor(a_network(), LAYOUT, tuple("abcd"), HOW)) == ""


def test_shares_are_shares_and_stand_with_their_class():
    predictor = Predictor(a_network(), LAYOUT, tuple("abcd"), HOW)
    clips = [a_clip(frames, people) for frames in (5, 16, 40) for people in (1, 2)]
    found = joint_shares(predictor, clips, batch_size=4)
    assert found.shares.shape == (6, 25)
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    one = joint_shares(predictor, clips[2:3])
    np.testing.assert_allclose(found.shares[2], one.shares[0], atol=1e-5)
    shares = np.stack([found.of_class(label) for label in range(4)])
    empty = [label not in found.answers for label in range(4)]
    assert np.isnan(shares).all(axis=1).tolist() == empty
    with pytest.raises(ValueError, match="no clips"):
        joint_shares(predictor, [])
