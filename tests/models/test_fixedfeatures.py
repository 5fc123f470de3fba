"""Random convolutions and statistics side by side: the second part counts as much as was asked for."""

import numpy as np
import pytest
import torch

import kinegraph as kg
from kinegraph.models.fixedfeatures import FixedFeatures
from kinegraph.models.minirocket import MiniRocket
from kinegraph.models.posestatistics import PoseStatistics
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from tests import made_up

GRAPH = adjacency(load_layout("coco17"), "uniform")


def test_it_is_both_parts_and_the_second_varies_as_much_as_asked_for():
    model = FixedFeatures(GRAPH, 4, 3, kernels=12, share=0.3).eval()
    x = torch.randn(6, 64, 17, 4, generator=torch.Generator().manual_seed(0))
    model.see(x)
    alone = MiniRocket(GRAPH, 4, 3, streams=2, kernels=12, dilations=(1, 2, 3, 4, 6, 7))
    alone.see(x)
    first = alone.forward_features(x)
    second = PoseStatistics(GRAPH, 4, 3).forward_features(x)
    made = model.forward_features(x)
    torch.testing.assert_close(made[..., :12], first)
    torch.testing.assert_close(made[..., 12:], model.scale * second)
    spread = [part.var(0, correction=0).sum().sqrt() for part in (made[..., :12], made[..., 12:])]
    torch.testing.assert_close(spread[1], 0.3 * spread[0])


def test_one_body_alone_is_seen():
    model = FixedFeatures(GRAPH, 6, 2, kernels=12).eval()
    model.see(torch.randn(1, 64, 17, 6))
    assert model.scale == 1
    assert model(torch.randn(1, 1, 64, 17, 6)).isfinite().all()


def test_enrolled_classes_are_exported(tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    clips = made_up.clips(12)
    model = kg.enroll("any", clips, [*"abc"] * 4)
    report = kg.export(model, tmp_path / "w.onnx")
    assert report.same == report.clips > 10
    for clip in made_up.clips(15)[12:]:
        wanted = kg.predict(model, clip).probabilities
        np.testing.assert_allclose(kg.predict(tmp_path / "w.onnx", clip).probabilities, wanted, atol=1e-4)
