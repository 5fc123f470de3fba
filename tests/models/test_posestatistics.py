"""The fixed description of a movement: known answers, and what must not change it."""

import numpy as np
import pytest
import torch

import kinegraph as kg
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.models.posestatistics import PoseStatistics
from kinegraph.models.weights import save_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout

LAYOUT = load_layout("ntu25")


def network(parts=(1, 2), classes=3) -> PoseStatistics:
    torch.manual_seed(0)
    return PoseStatistics(adjacency(LAYOUT, "uniform"), 6, classes, parts=parts).eval()


def test_a_body_that_moves_evenly_along_x_has_known_statistics():
    joint = torch.zeros(1, 8, 25, 3)
    joint[..., 0] = torch.arange(8.0)[:, None]  # every joint at the same place, a step of 1 a frame
    bone = torch.zeros(1, 8, 25, 3)
    bone[..., 1] = 2  # two long: distances are halved
    found = network(parts=(1,)).forward_features(torch.cat([joint, bone], 3)).reshape(3, 51, 3)
    mean, spread, speed = found[0], found[1] / 2, found[2] / 8
    middle = torch.tensor([3.5, 0, 0]) / 2
    np.testing.assert_allclose(mean[25], middle)
    np.testing.assert_allclose(spread[25, 0], np.arange(8).std() / 2, rtol=1e-6)
    np.testing.assert_allclose(speed[25], [0.5 * 7 / 8, 0, 0])  # the last frame has no next one
    np.testing.assert_allclose(mean[:25], 0)
    np.testing.assert_allclose(mean[26:], torch.tensor([0, 1, 0]).expand(25, 3), atol=1e-3)
    assert spread[26:].abs().max() < 1e-3
    assert speed[26:].abs().max() == 0


def test_size_says_nothing_and_parts_see_the_order():
    x = torch.randn(2, 16, 25, 6)
    one = network().forward_features(x)
    torch.testing.assert_close(network().forward_features(7 * x), one, atol=1e-5, rtol=1e-4)
    back = network().forward_features(x.flip(1))
    width = 51 * 3
    torch.testing.assert_close(back[..., : 2 * width], one[..., : 2 * width], atol=1e-4, rtol=1e-4)
    assert (back - one)[..., 3 * width :].abs().max() > 0.1


@pytest.mark.parametrize("frames", [1, 3])
def test_fewer_frames_than_parts_and_absent_people_are_numbers(frames):
    model = network(parts=(1, 8))
    assert model(torch.zeros(1, 2, frames, 25, 6)).isfinite().all()


def test_scores_and_other_streams_are_refused():
    with pytest.raises(ValueError, match="there are 3 channels, expected the streams joint and bone"):
        PoseStatistics(adjacency(LAYOUT, "uniform"), 3, 4)


def test_the_exported_network_is_the_same(tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from kinegraph.inference.exported import load_exported

    steps = Preprocessing(people=1, streams=("joint", "bone"), sampling="resample", frames=64).to_dict()
    about = {"layout": LAYOUT, "class_names": list("abc"), "preprocessing": steps}
    model = network(parts=(1, 2, 4, 8))
    save_weights(tmp_path / "w.safetensors", model, **about)
    report = kg.export(tmp_path / "w.safetensors", tmp_path / "w.onnx")
    assert report.same == report.clips > 10
    x = np.random.default_rng(5).standard_normal((3, 1, 64, 25, 6)).astype(np.float32)
    wanted = model(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(load_exported(tmp_path / "w.onnx").logits(x), wanted, atol=1e-4)
