"""Distances of joints: known answers, and what must not change them."""

import pytest
import torch

from kinegraph.models.jointdistances import JointDistances
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout

GRAPH = torch.tensor(adjacency(load_layout("coco17"))).float()


def network(streams=2) -> JointDistances:
    torch.manual_seed(0)
    return JointDistances(GRAPH, 6, 3, streams=streams, width=4)


def test_distances_of_all_pairs_say_nothing_of_place_or_turn():
    model = network().eval()
    seen = []
    model.distance_norm.register_forward_hook(lambda _, given, out: seen.append(given[0]))
    joint, other = torch.randn(2, 5, 17, 3), torch.randn(2, 5, 17, 3)
    turn = torch.linalg.qr(torch.randn(3, 3))[0]
    for its in (joint, joint @ turn + 7):
        model.forward_features(torch.cat([its, other], dim=3))
    first, second = torch.triu_indices(17, 17, 1)
    torch.testing.assert_close(seen[0][:, :, 0], torch.cdist(joint, joint)[:, :, first, second], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(seen[1], seen[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 7, 33])
def test_any_number_of_frames_and_absent_people_are_numbers(frames):
    model = network().train()
    x = torch.zeros(3, 2, frames, 17, 6, requires_grad=True)
    model(x).square().sum().backward()
    assert x.grad.isfinite().all()
    assert model.eval()(x).isfinite().all()


def test_absent_people_computed_once_count_as_each_of_them():
    x, people = torch.randn(4, 2, 8, 17, 6), torch.tensor([2, 1, 1, 1])
    x[people == 1, 1] = 0
    once, each = network().train(), network().train()
    once(x, people).square().sum().backward()
    each(x).square().sum().backward()
    for (name, mine), theirs in zip(once.named_parameters(), each.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-4, rtol=1e-3, msg=name)
    torch.testing.assert_close(once.eval()(x), each.eval()(x), atol=1e-4, rtol=1e-4)


def test_streams_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match="streams is 4, which does not divide the 6 channels"):
        network(streams=4)
