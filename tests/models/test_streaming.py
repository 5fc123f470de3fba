"""Networks computed frame by frame: the features of the complete sequence, however the frames arrive."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.models.agcn import AGCN
from kinegraph.models.ctrgcn import CTRGCN
from kinegraph.models.layers import streaming
from kinegraph.models.stgcn import STGCN
from kinegraph.models.stgcnpp import STGCNPP
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout

TOLERANCE = 1e-6  # of the largest feature: the network itself sums in another order
NETWORKS = {
    "stgcn": (STGCN, {"widths": [8, 8, 16], "strides": [1, 2, 1]}),
    "two strides": (STGCN, {"widths": [8, 16, 16, 32], "strides": [1, 2, 1, 2], "kernel": 5}),
    "strides of 3 and 2, frames apart": (STGCN, {"widths": [8, 8, 8], "strides": [3, 2, 1], "kernel": 1}),
    "learned graph": (STGCN, {"widths": [8, 8], "edges": "learned", "graph_residual": True}),
    "fixed graph": (STGCN, {"widths": [8, 8], "edges": "fixed", "kernel": 3}),
    "stgcnpp": (STGCNPP, {"widths": [12, 12, 24], "strides": [1, 2, 1]}),
    "stgcnpp, stride of 3": (STGCNPP, {"widths": [12, 12], "strides": [1, 3]}),
}


def built(name: str, layout: str, channels: int = 3) -> torch.nn.Module:
    """A network as after training: no norm is the identity."""
    kind, options = NETWORKS[name]
    torch.manual_seed(0)
    model = kind(adjacency(load_layout(layout), "spatial"), channels, 5, **options).eval()
    for part in model.modules():
        if isinstance(getattr(part, "running_mean", None), torch.Tensor):
            part.running_mean.normal_(0, 0.3)
            part.running_var.uniform_(0.5, 2)
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_(0, 0.3)
    return model.requires_grad_(False)


def poses(bodies: int, frames: int, layout: str, channels: int = 3) -> torch.Tensor:
    rng = np.random.default_rng(frames)
    return torch.from_numpy(rng.normal(size=(bodies, frames, len(load_layout(layout)), channels)).astype(np.float32))


@settings(max_examples=60)
@given(
    name=st.sampled_from(sorted(NETWORKS)),
    layout=st.sampled_from(["ntu25", "coco17", "kinect22"]),
    channels=st.sampled_from([2, 3, 6]),
    sizes=st.lists(st.sampled_from([1, 1, 1, 2, 5, 30]), min_size=1, max_size=12),
    bodies=st.integers(1, 3),
)
def test_features_are_those_of_the_complete_sequence(name, layout, channels, sizes, bodies):
    network = built(name, layout, channels)
    streamed = network.streamed()
    x = poses(bodies, sum(sizes), layout, channels)
    state, made = streamed.start(bodies), []
    for place, piece in enumerate(x.split(sizes, 1)):
        complete = (sum(sizes[: place + 1]) - 1 - streamed.delay) // streamed.stride + 1
        made.append(streamed(piece, state))
        assert sum(part.shape[1] for part in made) == max(0, complete)  # as soon as it can be, `delay` frames later
    made.append(streamed(x[:, :0], state, last=True))
    stream, complete = torch.cat(made, 1), network.forward_features(x)
    assert stream.shape == complete.shape
    assert (stream - complete).abs().max() <= TOLERANCE * complete.abs().max()
    if torch.backends.mkl.is_available():
        assert torch.equal(stream, streamed(x, streamed.start(bodies), last=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_states_are_forked_parted_and_joined(name):
    """Three bodies together, then apart, then together again, one of them from a copy: each as if it were alone."""
    streamed = built(name, "ntu25").streamed()
    x = poses(3, 41, "ntu25")
    alone = torch.cat([streamed(body[None], streamed.start(1), last=True) for body in x])
    state = streamed.start(3)
    made = [streamed(x[:, :17], state)]
    kept = streaming.copied(state)
    streamed(x[:, 20:30], state)  # goes another way
    first, others = streaming.bodies_of(kept, [0]), streaming.bodies_of(kept, [1, 2])
    made.append(torch.cat([streamed(x[:1, 17:22], first), streamed(x[1:, 17:22], others)]))
    assert streaming.phase(first) == streaming.phase(others)
    made.append(streamed(x[:, 22:], streaming.joined([first, others]), last=True))
    assert (torch.cat(made, 1) - alone).abs().max() <= TOLERANCE * alone.abs().max()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_in_bfloat16_differs_by_its_rounding_and_leaves_the_other_alone(name):
    streamed = built(name, "coco17").streamed()
    x = poses(2, 40, "coco17")
    exact = streamed(x, streamed.start(2), last=True)
    rough = streamed.cast(torch.bfloat16)
    found = rough(x, rough.start(2), last=True)
    assert found.dtype == torch.bfloat16
    assert 0 < (found.float() - exact).abs().max() <= 0.03 * exact.abs().max()
    assert torch.equal(streamed(x, streamed.start(2), last=True), exact)


@pytest.mark.parametrize("kind", [AGCN, CTRGCN])
def test_graphs_of_all_frames_are_not_streamed(kind):
    with pytest.raises(NotImplementedError, match="all frames of a clip"):
        kind(adjacency(load_layout("ntu25"), "inward_outward"), 3, 5, widths=[8]).streamed()
