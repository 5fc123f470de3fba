"""The picture of a graph shows the graph: its arrows are the weights, and mirrored joints stand on mirrored places."""

from importlib import resources

import numpy as np
import pytest

import kinegraph as kg
from kinegraph.report.graph_picture import places_of

LAYOUTS = sorted(it.name.removesuffix(".yaml") for it in resources.files("kinegraph.skeleton.layouts").iterdir()
                 if it.name.endswith(".yaml"))  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_joint_is_one_step_from_another(name):
    layout = kg.load_layout(name)
    places = places_of(layout)
    lengths = np.linalg.norm(places[[i for i, _ in layout.bones]] - places[[j for _, j in layout.bones]], axis=1)
    assert np.isclose(lengths, 1).sum() >= len(layout) - 1  # the tree; other bones close circles
    distances = np.linalg.norm(places[:, None] - places, axis=-1) + np.eye(len(layout))
    assert distances.min() > 0.1


@pytest.mark.parametrize("name", ["ntu25", "coco17", "h36m17", "smpl24"])
def test_a_body_is_symmetric_and_upright(name):
    layout = kg.load_layout(name)
    places = places_of(layout) - places_of(layout)[layout.centre]
    left, right = np.array(layout.mirror).T
    np.testing.assert_allclose(places[left] * (-1, 1), places[right], atol=1e-9)
    assert (places[left, 0] > 0).all()  # face to face
    ankles = [i for i, joint in enumerate(layout.joints) if "ankle" in joint]
    assert (places[ankles, 1] < 0).all()


def test_arrows_are_weights():
    graph = kg.adjacency("ntu25", "inward_outward")
    figure = kg.show_graph("ntu25", "inward_outward", joint="left_elbow")
    panels = {panel.get_title(): panel for panel in figure.axes}
    assert not panels["partition 0: the joint itself"].texts
    for number, words in ((1, "inward: from the parent"), (2, "outward: from the children")):
        assert len(panels[f"partition {number}: {words}"].texts) == np.count_nonzero(graph[number]) == 24
    weights = [text.get_text() for text in panels["left_elbow after one graph convolution"].texts]
    elbow = graph.sum(axis=0)[:, 5]
    assert weights == [f"{value:.2f}" for value in elbow[elbow > 0]]
    with pytest.raises(ValueError, match="has no joint 'left_elbo'; did you mean 'left_elbow'"):
        kg.show_graph("ntu25", joint="left_elbo")
