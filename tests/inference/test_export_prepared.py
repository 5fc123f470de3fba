"""A graph that prepares its recordings gives the scores of `prepare_clip` and torch."""

from itertools import product

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.inference.export_prepared import NORMALISED, SAMPLED, Preparation, obstacle_to_tracing
from kinegraph.inference.exported import load_exported, recording_of
from kinegraph.inference.streaming.session import Session
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.skeleton.graph import adjacency

ALL = ("joint", "bone", "k_bone", "joint_motion", "bone_motion", "k_bone_motion")


@pytest.mark.parametrize(("normalize", "sampling", "scored"), list(product(NORMALISED, SAMPLED, (False, True))))
def test_torch_prepares_as_numpy_does(normalize, sampling, scored):
    """Also people and joints that are away, from the first frame on or in between, and clips of one frame."""
    layout, rng = kg.load_layout("ntu25"), np.random.default_rng(0)
    up, least = "z" if normalize == "facing" else "y", 0.1 if scored else None
    steps = Preprocessing(
        people=2, normalize=normalize, up=up, sampling=sampling, frames=16, streams=ALL, test_mirror=True,
        min_score=least,
    )  # fmt: skip
    for T in (1, 2, 9, 40):
        keypoint = rng.normal(0, 1, (2, T, 25, 3)).astype(np.float32)
        keypoint[1, T // 3 : T // 2] = 0
        if T > 8:
            keypoint[0, :2] = keypoint[0, 4:6] = keypoint[0, 7, 3] = keypoint[0, 2, 5] = 0
        score = rng.random((2, T, 25)).astype(np.float32) * keypoint.any(3) if scored else None
        clip = kg.SkeletonClip(keypoint, layout, score=score)
        found = Preparation(steps, layout, 3, scored)(torch.from_numpy(recording_of(clip, 2)))
        np.testing.assert_allclose(found.numpy(), prepare_clip(clip, steps), atol=1e-5)


class Largest(TorchDispatchMode):
    """The number of values of the largest tensor that was computed."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor):
            self.size = max(self.size, found.numel())
        return found


def test_the_memory_of_a_long_recording_grows_with_its_length_alone():
    """10,000 frames took a table of 10,000 times 10,000."""
    steps, layout = Preprocessing(people=2, normalize="none", sampling="resample", frames=16), kg.load_layout("ntu25")
    recording = torch.randn(2, 1000, 25, 3)
    with Largest() as largest:
        Preparation(steps, layout, 3, False)(recording)
    assert largest.size <= recording.numel()


def pixels_and_scores(path, *coordinates: str, **changed):
    """Weights of a network that was trained on x, y and a score; and a clip of such."""
    layout, rng = kg.load_layout("coco17"), np.random.default_rng(0)
    usual = {"people": 1, "normalize": "sized", "sampling": "resample", "frames": 16, "streams": ("joint", "bone")}
    steps = Preprocessing(**usual | changed)
    torch.manual_seed(0)
    network = STGCN(torch.tensor(adjacency(layout)).float(), 6, 3, widths=[8]).eval()
    extra = {"training": {"coordinates": list(coordinates)}} if coordinates else {}
    about = {"layout": layout, "class_names": [*"abc"], "preprocessing": steps.to_dict(), "extra": extra}
    save_weights(path, network, **about)
    body = rng.normal(0, 100, (1, 1, 17, 2)) + rng.normal(0, 5, (1, 40, 17, 2))
    return kg.SkeletonClip(body.astype(np.float32), layout, score=rng.random((1, 40, 17)).astype(np.float32))


def test_the_third_number_of_a_joint_is_what_the_weights_say(tmp_path, capsys):
    """A score was prepared as z: the answers were others, and the comparison found nothing."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    weights, out = tmp_path / "w.safetensors", tmp_path / "g.onnx"
    clip = pixels_and_scores(weights, "x", "y", "score")
    assert main(["export", str(weights), str(out), "--preprocessing", "graph"]) == 0, capsys.readouterr().err
    one, other = (kg.predict(str(model), clip, compare=False) for model in (out, weights))
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
    nothing = dict.fromkeys(("window", "stride", "gap", "leave", "none", "layout", "fps", "image_size"))
    usual = {"people": 1, "engine": "auto", "enter": 0.3, "least": "0.2s", "delay": "0.1s", "count": False}
    session = Session(load_weights(weights), **nothing, **usual, map_layout=False, device="cpu", note=print)
    assert session.dimensions == 2  # what a camera has to give
    solid = kg.SkeletonClip(np.ones((1, 40, 17, 3), np.float32), clip.layout)
    for model in (out, weights):
        with pytest.raises(ValueError, match="xyz without scores, the network wants xy with scores"):
            kg.predict(str(model), solid, compare=False)


@pytest.mark.parametrize(
    ("coordinates", "changed", "message"),
    [
        ((), {}, "do not say whether the third number of a joint is z or a score"),
        (("x", "y", "score"), {"normalize": "none", "test_mirror": True}, "pixels round in the width of the picture"),
    ],
)
def test_what_a_recording_does_not_say_is_not_prepared(tmp_path, capsys, coordinates, changed, message):
    pytest.importorskip("onnxscript")
    pixels_and_scores(tmp_path / "w.safetensors", *coordinates, **changed)
    assert main(["export", str(tmp_path / "w.safetensors"), str(tmp_path / "g.onnx"), "--preprocessing", "graph"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ui-prmd-10", "ui-prmd-20"])
def test_the_file_answers_as_torch_does(name, tmp_path, capsys):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    out = tmp_path / "g.onnx"
    assert main(["export", name, str(out), "--preprocessing", "graph"]) == 0, capsys.readouterr().err
    assert "recordings of 1 person" in capsys.readouterr().out
    layout, rng = load_weights(name).layout, np.random.default_rng(4)
    body = rng.normal(0, 0.5, (1, 1, len(layout), 3)) + rng.normal(0, 0.02, (1, 73, len(layout), 3))
    body[0, 10:12] = 0
    clip = kg.SkeletonClip(body.astype(np.float32), layout)
    one, other = (kg.predict(str(model), clip, compare=False) for model in (out, name))
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
    assert load_exported(out).prepares


@pytest.mark.parametrize("changed", [{"normalize": "first_frame"}, {"sampling": "uniform"}, {"moments": True}])
def test_a_recipe_that_does_not_fit_is_refused(changed, tmp_path, capsys):
    steps = Preprocessing(**({"sampling": "resample"} | changed))
    assert next(iter(changed)) in obstacle_to_tracing(steps)
    pytest.importorskip("onnxscript")
    known = load_weights("ui-prmd-10")
    about = {"layout": known.layout, "class_names": known.class_names, "preprocessing": steps.to_dict()}
    save_weights(tmp_path / "w.safetensors", known.model, **about)
    out = tmp_path / "g.onnx"
    assert main(["export", str(tmp_path / "w.safetensors"), str(out), "--preprocessing", "graph"]) == 2
    assert "preparing cannot be part of the graph" in capsys.readouterr().err
    assert not out.exists()
