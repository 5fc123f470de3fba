"""Random kernels over time: the formula read plainly, and what must not change the shares."""

import numpy as np
import pytest
import torch

from kinegraph.models import minirocket
from kinegraph.models.minirocket import MiniRocket
from kinegraph.models.ridge import LinearHead
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout

GRAPH = adjacency(load_layout("coco17"), "uniform")
FRAMES = 12


def network(**options) -> MiniRocket:
    return MiniRocket(GRAPH, 4, 3, **{"streams": 2, "kernels": 6, "dilations": (1, 2)} | options).eval()


def bodies(count: int = 5) -> torch.Tensor:
    return torch.randn(count, FRAMES, 17, 4, generator=torch.Generator().manual_seed(0))


def shares(model: MiniRocket, body: np.ndarray) -> np.ndarray:
    """Frame by frame and tap by tap; a frame before the first or after the last is the one at that end."""
    joint = body[..., :2]
    middle = joint.mean(1, keepdims=True)
    around = joint - middle
    numbers = np.concatenate([around, middle], 1) / np.linalg.norm(around, axis=2).mean()
    mixing, taps, threshold = (it.numpy().astype(float) for it in (model.mixing, model.taps, model.threshold))
    found = np.zeros(len(threshold))
    for kernel, level in enumerate(threshold):
        dilation = model.dilations[kernel // 3]
        for frame in range(FRAMES):
            places = np.clip(frame + dilation * np.arange(-4, 5), 0, FRAMES - 1)
            answer = taps[kernel, 0] @ (numbers.reshape(FRAMES, -1)[places] @ mixing[kernel])
            found[kernel] += np.clip((answer - level) / minirocket.SLOPE + 0.5, 0, 1)
    return found / FRAMES


def test_features_are_the_shares_of_frames_above_the_thresholds():
    model, x = network(), bodies()
    model.see(x)
    wanted = np.stack([shares(model, body) for body in x.numpy().astype(float)])
    np.testing.assert_allclose(model.forward_features(x)[:, 0, 0], wanted, atol=1e-5)
    assert wanted.std() > 0.2


def test_thresholds_are_answers_and_all_kernels_vary_alike():
    model, x = network(kernels=60), bodies()
    model.see(x)
    answers = torch.cat([model._part(model._numbers(x), place) for place in (0, 1)], dim=1)
    torch.testing.assert_close(answers.transpose(0, 1).flatten(1).std(1, correction=0), torch.ones(60))
    nearest = (answers - model.threshold[:, None]).abs().amin((0, 2))
    assert nearest.max() < 1e-5


def test_size_and_other_streams_say_nothing_and_a_body_at_rest_gives_zero():
    model, x = network(), bodies()
    model.see(x)
    known = model.forward_features(x)
    other = torch.cat([7 * x[..., :2], torch.randn(5, FRAMES, 17, 2)], 3)
    torch.testing.assert_close(model.forward_features(other), known, atol=1e-4, rtol=1e-4)
    still = x[:1, :1].expand(1, FRAMES, 17, 4)
    answers = model._part(model._numbers(still), 1)
    torch.testing.assert_close(answers, torch.zeros_like(answers), atol=1e-5, rtol=0)


@pytest.mark.parametrize("frames_seen", [1, FRAMES])
def test_kernels_to_which_all_bodies_rest_answer_to_no_rounding(frames_seen):
    """Clips of one frame, and of bodies that stand still: postures."""
    x = (bodies()[:, :1] + 20).expand(-1, frames_seen, -1, -1).contiguous()
    model = network(kernels=60)
    model.see(x)
    found = model.forward_features(x)
    assert torch.equal(found, found[:1].expand_as(found))
    torch.testing.assert_close(model.double().forward_features(x.double()).float(), found)


@pytest.mark.parametrize("frames", [1, 3])
def test_short_clips_and_absent_people_are_numbers(frames):
    model = network()
    model.see(torch.zeros(1, 1, 17, 4))
    assert model(torch.zeros(1, 2, frames, 17, 4)).isfinite().all()


def test_half_precision_training_changes_no_share():
    model, x = network(), bodies()
    model.see(x)
    with torch.autocast("cpu", torch.bfloat16):
        halved = model.forward_features(x)
    assert torch.equal(halved, model.forward_features(x))


def test_its_head_is_put_as_it_was_fitted():
    model = network()
    head = LinearHead(np.arange(18.0).reshape(3, 6), np.arange(3.0), np.zeros((1, 1, 3)))
    (part,) = model.closed_form_parts()
    part.put(head)
    features = model.forward_features(bodies())[:, 0, 0].double().numpy()
    wanted = features @ head.weight.T + head.bias
    np.testing.assert_allclose(model(bodies()[:, None]).detach(), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dilations": ()}, r"dilations is \[\], expected numbers from 1 on"),
        ({"dilations": (0, 1)}, r"dilations is \[0, 1\]"),
        ({"kernels": 1}, "kernels is 1, expected at least one for each of 2 dilations"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        network(**options)
