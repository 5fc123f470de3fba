"""Adjacency matrices against the published ones, against answers worked out by hand, and on random skeletons."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.skeleton.graph import STRATEGIES, adjacency, hop_distances, normalise_columns
from kinegraph.skeleton.layout import JointLayout, load_layout

# Adjacency as MMAction2 branch 0.x, MMAction2 v1.2.0 and PYSKL build it: <source>/<their layout>/<their strategy>.
GOLDEN = dict(np.load(Path(__file__).parents[1] / "golden" / "graphs.npz"))
LAYOUTS = {
    "mmaction0": {
        "ntu-rgb+d": "ntu25",
        "coco": "coco17",
        "openpose-18": "openpose18",
        "openpose-25": "openpose25",
        "ntu_edge": "ntu24",
    },
    "mmaction1": {"nturgb+d": "ntu25_star", "coco": "coco17_tree", "openpose": "openpose18"},
    "pyskl": {"nturgb+d": "ntu25_star", "coco": "coco17_tree", "openpose": "openpose18", "handmp": "hand21"},
}
PUBLISHED_1X = {"stgcn_spatial": "spatial", "spatial": "inward_outward"}
STRATEGY_NAMES = {
    "mmaction0": {"uniform": "uniform", "distance": "distance", "spatial": "spatial", "agcn": "inward_outward"},
    "mmaction1": PUBLISHED_1X,
    "pyskl": PUBLISHED_1X,
}


@pytest.mark.parametrize("key", GOLDEN)
def test_equals_the_published_adjacency(key):
    source, layout, strategy = key.split("/")
    ours = adjacency(LAYOUTS[source][layout], STRATEGY_NAMES[source][strategy])
    assert ours.dtype == np.float64
    assert ours.shape == GOLDEN[key].shape
    np.testing.assert_allclose(ours, GOLDEN[key], rtol=0, atol=1e-12)


def test_golden_file_covers_every_published_layout():
    found = {tuple(key.split("/")[:2]) for key in GOLDEN}
    assert found == {(source, layout) for source, layouts in LAYOUTS.items() for layout in layouts}
    assert len(GOLDEN) == 31


def matrix(joints: int, entries: dict[str, float]) -> np.ndarray:
    """{"ab": x}: from joint a into joint b flows x."""
    flow = np.zeros((joints, joints))
    for (source, target), share in entries.items():
        flow["abcd".index(source), "abcd".index(target)] = share
    return flow


CHAIN = JointLayout("chain", tuple("abcd"), ((1, 0), (2, 1), (3, 2)), centre=0)


def test_the_papers_partition_of_a_chain_with_the_centre_at_its_end():
    itself, nearer, farther = adjacency(CHAIN, "spatial_true")
    np.testing.assert_allclose(itself, np.diag([1 / 2, 1 / 3, 1 / 3, 1 / 2]))
    np.testing.assert_allclose(nearer, matrix(4, {"ab": 1 / 3, "bc": 1 / 3, "cd": 1 / 2}))
    np.testing.assert_allclose(farther, matrix(4, {"ba": 1 / 2, "cb": 1 / 3, "dc": 1 / 3}))


def test_published_partition_takes_far_joints_for_equally_far():
    itself, equal_or_farther, nearer = adjacency(CHAIN, "spatial")
    np.testing.assert_allclose(itself, np.diag([1 / 2, 1 / 3, 1 / 3, 1 / 2]))
    # c flows into d among the equals: both are more than one bone from the centre.
    np.testing.assert_allclose(equal_or_farther, matrix(4, {"ba": 1 / 2, "cb": 1 / 3, "dc": 1 / 3, "cd": 1 / 2}))
    np.testing.assert_allclose(nearer, matrix(4, {"ab": 1 / 3, "bc": 1 / 3}))


def test_equally_far_neighbours_belong_to_the_papers_first_group():
    triangle = JointLayout("triangle", tuple("abc"), ((1, 0), (2, 0), (1, 2)), centre=0)
    same, _, _ = adjacency(triangle, "spatial_true")
    np.testing.assert_allclose(same, matrix(3, {"aa": 1, "bb": 1, "cc": 1, "bc": 1, "cb": 1}) / 3)


@st.composite
def skeletons(draw) -> JointLayout:
    """A random tree of 2 to 12 joints with a random centre, and up to three more bones that close cycles."""
    joints = draw(st.integers(2, 12))
    bones = [(child, draw(st.integers(0, child - 1))) for child in range(1, joints)]
    for _ in range(draw(st.integers(0, 3))):
        extra = (draw(st.integers(0, joints - 1)), draw(st.integers(0, joints - 1)))
        if extra[0] != extra[1] and extra not in bones and extra[::-1] not in bones:
            bones.append(extra)
    return JointLayout(
        "random", tuple(f"joint{i}" for i in range(joints)), tuple(bones), draw(st.integers(0, joints - 1))
    )


def shortest_ways(layout: JointLayout) -> np.ndarray:
    """Floyd and Warshall, slow and independent of what is tested."""
    hop = np.where(np.eye(len(layout), dtype=bool), 0, len(layout))
    for i, j in layout.bones:
        hop[i, j] = hop[j, i] = 1
    for via in range(len(layout)):
        hop = np.minimum(hop, hop[:, [via]] + hop[[via], :])
    return hop


@given(layout=skeletons(), data=st.data())
@settings(max_examples=50)
def test_partitions_sum_to_the_normalised_adjacency(layout, data):
    hop = shortest_ways(layout)
    np.testing.assert_array_equal(hop_distances(layout), hop)
    max_hop = data.draw(st.integers(1, int(hop.max())))
    near = hop <= max_hop
    slices = {"uniform": 1, "distance": max_hop + 1, "spatial": 2 * max_hop + 1, "spatial_true": 3}
    for strategy, count in slices.items():
        A = adjacency(layout, strategy, max_hop)
        assert len(A) == count, strategy
        np.testing.assert_allclose(A.sum(axis=0), near / near.sum(axis=0), atol=1e-15, err_msg=strategy)
        assert ((A > 0).sum(axis=0) <= 1).all(), f"{strategy}: a neighbour is in two partitions"
    _, nearer, farther = adjacency(layout, "spatial_true", max_hop) > 0
    to_centre = hop[layout.centre]
    assert all(to_centre[v] < to_centre[w] for v, w in np.argwhere(nearer))
    assert all(to_centre[v] > to_centre[w] for v, w in np.argwhere(farther))


@given(layout=skeletons(), data=st.data())
@settings(max_examples=25)
def test_the_order_of_the_joints_does_not_matter(layout, data):
    order = data.draw(st.permutations(range(len(layout))))  # old joint -> new joint
    bones = tuple((order[i], order[j]) for i, j in layout.bones)
    renamed = JointLayout("renamed", layout.joints, bones, order[layout.centre])
    for strategy in STRATEGIES:
        A = adjacency(renamed, strategy)[:, order][:, :, order]
        np.testing.assert_allclose(A, adjacency(layout, strategy), atol=1e-15, err_msg=strategy)


def test_columns_of_any_weights_are_shares():
    graph = np.array([[0.1, 0, 1], [0.3, 0, 4], [0, 0, 0]])
    np.testing.assert_allclose(normalise_columns(graph), [[0.25, 0, 0.2], [0.75, 0, 0.8], [0, 0, 0]])


def test_inward_and_outward_columns_sum_to_one_where_there_is_a_bone():
    layout = load_layout("kinect22")  # a tree whose bones all run to its centre
    _, inward, outward = adjacency(layout, "inward_outward")
    has_parent = np.arange(len(layout)) != layout.centre
    has_child = np.isin(np.arange(len(layout)), [parent for _, parent in layout.bones])
    np.testing.assert_allclose(inward.sum(axis=0), has_parent)
    np.testing.assert_allclose(outward.sum(axis=0), has_child)


def test_layout_by_name_by_file_and_as_object_are_the_same(tmp_path):
    file = tmp_path / "chain.yaml"
    file.write_text("{name: chain, joints: [a, b, c, d], bones: [[b, a], [c, b], [d, c]], centre: a}")
    np.testing.assert_array_equal(adjacency(file), adjacency(CHAIN))
    np.testing.assert_array_equal(adjacency("ntu25"), adjacency(load_layout("ntu25")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "spatail"}, "no graph strategy 'spatail'.* did you mean 'spatial'"),
        (
            {"strategy": "?"},
            r"^no graph strategy '\?'; there are uniform, distance, spatial, spatial_true, inward_outward$",
        ),
        ({"strategy": "agcn"}, "did you mean 'inward_outward'"),
        ({"strategy": "stgcn_spatial"}, "did you mean 'spatial'"),
        ({"max_hop": 0}, "max_hop is 0.* use 1"),
        ({"max_hop": 1.5}, "max_hop is 1.5, expected a whole number"),
        ({"strategy": "distance", "max_hop": 4}, "max_hop is 4.* 'chain' .*use at most 3"),
        ({"strategy": "inward_outward", "max_hop": 2}, "max_hop must be 1, found 2"),
        ({"layout": "ntu52"}, "no layout 'ntu52'.* did you mean 'ntu25'"),
    ],
)
def test_wrong_requests_name_the_fix(arguments, message):
    with pytest.raises(ValueError, match=message):
        adjacency(**({"layout": CHAIN} | arguments))
