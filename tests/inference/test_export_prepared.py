"""A graph that prepares its recordings gives the scores of `prepare_clip` and torch."""

from itertools import product

import numpy as np
import pytest
import torch

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.inference.export_prepared import NORMALISED, SAMPLED, Preparation, obstacle_to_tracing
from kinegraph.inference.exported import load_exported, recording_of
from kinegraph.models.weights import load_weights, save_weights

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
