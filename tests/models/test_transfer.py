"""Starting from other weights: for the same joints in another order, a network computes what it did before."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinegraph.models.aagcn import AAGCN
from kinegraph.models.agcn import AGCN
from kinegraph.models.ctrgcn import CTRGCN
from kinegraph.models.dgstgcn import DGSTGCN
from kinegraph.models.jointdistances import JointDistances
from kinegraph.models.msg3d import MSG3D
from kinegraph.models.protogcn import ProtoGCN
from kinegraph.models.published import save_published
from kinegraph.models.skateformer import SkateFormer
from kinegraph.models.stgcn import STGCN
from kinegraph.models.stgcnpp import STGCNPP
from kinegraph.models.transfer import Meaning, Start, describe, freeze_blocks, open_start, take_over
from kinegraph.models.weights import save_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout

JOINTS = tuple("abcdef")
CLASSES = ("wave", "sit", "run")
XYZ = ("x", "y", "z")
KNOWN = Meaning(JOINTS, CLASSES, ("joint",), XYZ)
WIDTHS = [12, 24]
KINDS = ["importance", "learned", "stgcnpp", "agcn", "ctrgcn", "dgstgcn", "aagcn", "msg3d", "protogcn"]


def network(kind: str, joints: int = 6, channels: int = 3, classes: int = 3, partitions: int = 2, seed: int = 1):
    torch.manual_seed(seed)
    graph = torch.rand(partitions, joints, joints)
    made = {
        "importance": lambda: STGCN(graph, channels, classes, widths=WIDTHS, kernel=3),
        "learned": lambda: STGCN(
            graph, channels, classes, widths=WIDTHS, kernel=3, edges="learned", graph_residual=True
        ),
        "stgcnpp": lambda: STGCNPP(graph, channels, classes, widths=WIDTHS),
        "agcn": lambda: AGCN(graph, channels, classes, widths=WIDTHS, kernel=3),
        "ctrgcn": lambda: CTRGCN(graph, channels, classes, widths=WIDTHS),
        "dgstgcn": lambda: DGSTGCN(graph, channels, classes, widths=WIDTHS, partitions=partitions),
        "msg3d": lambda: MSG3D(graph, channels, classes, widths=[6, *WIDTHS]),
        "protogcn": lambda: ProtoGCN(graph, channels, classes, prototypes=4, widths=WIDTHS, partitions=partitions),
        "aagcn": lambda: AAGCN(graph, channels, classes, widths=WIDTHS, kernel=3, attention=False),
    }[kind]()
    with torch.no_grad():
        for tensor in made.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand_like(tensor))  # nothing is what it is at first
    return made.eval()


def start(model, known: Meaning = KNOWN) -> Start:
    return Start("before", model, known, {}, {})


@pytest.mark.parametrize("kind", KINDS)
@given(joints=st.permutations(JOINTS), classes=st.permutations(CLASSES))
@settings(max_examples=5)
def test_the_same_joints_and_classes_in_another_order_give_the_same_logits(kind, joints, classes):
    before, after = network(kind), network(kind, seed=2)
    taken = take_over(after, replace(KNOWN, joints=tuple(joints), classes=tuple(classes)), start(before))
    assert (taken.part, taken.new) == ((), ())
    x = torch.randn(2, 1, 6, 6, 3)
    there = before(x)[:, [CLASSES.index(name) for name in classes]]
    assert torch.allclose(after(x[:, :, :, [JOINTS.index(joint) for joint in joints]]), there, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_other_classes_take_all_but_the_head(kind):
    before, after = network(kind), network(kind, classes=5, seed=2)
    head = after.head.weight.clone()
    taken = take_over(after, replace(KNOWN, classes=tuple("vwxyz")), start(before))
    of_classes = ("head.weight", "head.bias") + ("contrast.means",) * (kind == "protogcn")
    assert (taken.part, taken.new) == ((), of_classes)
    assert torch.equal(after.head.weight, head)
    x = torch.randn(1, 2, 6, 6, 3)
    assert torch.equal(after.features(x), before.features(x))


@pytest.mark.parametrize(("joints", "taken_over"), [(JOINTS, True), (JOINTS[::-1], False)])
def test_attention_along_joints_is_taken_for_the_same_order_only(joints, taken_over):
    torch.manual_seed(0)
    before, after = (AAGCN(torch.rand(2, 6, 6), 3, 3, widths=WIDTHS, kernel=3) for _ in range(2))
    taken = take_over(after, replace(KNOWN, joints=joints), start(before))
    along = [f"blocks.{i}.attention.joints.weight" for i in range(2)]
    assert taken.new == (() if taken_over else tuple(along))


def test_joints_are_found_by_name():
    """Three of ours are theirs, one is new: its numbers, and those of edges to it, stay as they were."""
    before, after = network("learned"), network("learned", joints=4, seed=2)
    first = {name: tensor.clone() for name, tensor in after.state_dict().items()}
    ours = replace(KNOWN, joints=("f", "tail", "a", "c"))
    taken = take_over(after, ours, start(before))
    there, here = before.state_dict(), after.state_dict()
    norm = here["data_norm.running_mean"].view(4, 3)
    assert torch.equal(norm[[0, 2, 3]], there["data_norm.running_mean"].view(6, 3)[[5, 0, 2]])
    assert torch.equal(norm[1], first["data_norm.running_mean"].view(4, 3)[1])
    graph, old = here["blocks.1.graph"], first["blocks.1.graph"]
    assert torch.equal(graph[:, [0, 2, 3]][:, :, [0, 2, 3]], there["blocks.1.graph"][:, [5, 0, 2]][:, :, [5, 0, 2]])
    assert torch.equal(graph[:, 1], old[:, 1])
    assert torch.equal(graph[:, :, 1], old[:, :, 1])
    assert torch.equal(here["A"], first["A"])  # the one that was built for these joints
    assert set(taken.new) == {"A"}
    assert set(taken.part) == {f"data_norm.{leaf}" for leaf in ("weight", "bias", "running_mean", "running_var")} | {
        "blocks.0.graph", "blocks.1.graph"
    }  # fmt: skip
    said = "\n".join(describe(taken, after, ours, start(before), {}))
    assert "taken in part: data_norm, blocks.0-1.graph\n  new: A\n" in said
    assert "3 of 4 by name; new: tail" in said


def test_fewer_joints_take_their_share_of_learned_graphs():
    before, after = network("stgcnpp"), network("stgcnpp", joints=2, seed=2)
    taken = take_over(after, replace(KNOWN, joints=("e", "b")), start(before))
    assert (taken.part, taken.new) == ((), ())
    assert torch.equal(after.blocks[1].graph, before.blocks[1].graph[:, [4, 1]][:, :, [4, 1]])


@pytest.mark.parametrize(
    ("channels", "known"),
    [(6, replace(KNOWN, streams=("joint", "bone"))), (3, replace(KNOWN, streams=("bone",))),
     (3, replace(KNOWN, coordinates=("x", "y", "score")))],
)  # fmt: skip
def test_other_input_is_read_anew(channels, known):
    before, after = network("learned"), network("learned", channels=channels, seed=2)
    taken = take_over(after, known, start(before))
    assert {name.rpartition(".")[0] for name in taken.new} == {
        "data_norm", "blocks.0.spatial.mix", "blocks.0.graph_residual.mix"
    }  # fmt: skip
    assert taken.part == ()


def test_what_nobody_named_is_taken_in_order():
    before, after = network("importance"), network("importance", seed=2)
    assert take_over(after, KNOWN, start(before, Meaning())).new == ()
    assert all(map(torch.equal, before.state_dict().values(), after.state_dict().values()))


def test_nothing_fits():
    before = network("importance")
    with pytest.raises(ValueError, match=r"of STGCN, this network is AGCN: .* --model kinegraph.models.stgcn.STGCN"):
        take_over(network("agcn"), KNOWN, start(before))
    other = STGCN(torch.rand(1, 6, 6), 3, 3, widths=[10, 20], kernel=5)
    with pytest.raises(ValueError, match="widths are 12, 24 with 2 partitions, here 10, 20 with 1"):
        take_over(other, KNOWN, start(before))


def test_a_frozen_part_must_be_taken_whole():
    before, after = network("learned"), network("learned", channels=6, seed=2)
    taken = take_over(after, replace(KNOWN, streams=("joint", "bone")), start(before))
    with pytest.raises(ValueError, match=r"freeze 1 would keep .*data_norm.*, of which not all was taken"):
        freeze_blocks(after, 1, taken)
    with pytest.raises(ValueError, match="freeze is 3, the network has 2 blocks"):
        freeze_blocks(before, 3)
    assert freeze_blocks(before, 0) == []
    assert freeze_blocks(before, 1) == [before.data_norm, before.blocks[0]]
    learning = {name.partition(".")[0] + name.split(".")[1] for name, w in before.named_parameters() if w.requires_grad}
    assert learning == {"blocks1", "headweight", "headbias"}


def test_opened_from_files(tmp_path):
    """A published checkpoint names its joints by its graph; its classes have no names, nor have they once converted."""
    layout = load_layout("ntu25")
    torch.manual_seed(0)
    model = STGCN(adjacency(layout), 3, 2, widths=[8])
    save_published(tmp_path / "theirs.pth", model, "mmaction1")
    published = open_start(tmp_path / "theirs.pth")
    assert published.meaning == Meaning(joints=layout.joints)
    assert torch.equal(published.model.head.weight, model.head.weight)
    about = {"layout": layout, "preprocessing": {"streams": ["bone"]}}
    save_weights(tmp_path / "a.safetensors", model, class_names=["0", "1"], **about)
    assert open_start(tmp_path / "a.safetensors").meaning == Meaning(layout.joints, None, ("bone",))
    extra = {"training": {"source": "made up", "coordinates": ["x", "y", "score"], "split": "s", "part": "train"}}
    save_weights(tmp_path / "a.safetensors", model, class_names=["p", "q"], extra=extra, **about)
    expected = Meaning(layout.joints, ("p", "q"), ("bone",), ("x", "y", "score"))
    assert open_start(tmp_path / "a.safetensors").meaning == expected


@pytest.mark.parametrize(
    ("kind", "options"), [(JointDistances, {"width": 4}), (SkateFormer, {"widths": [96, 96], "people": 1})]
)
def test_with_all_blocks_frozen_only_the_head_learns(kind, options):
    network = kind(torch.tensor(adjacency(load_layout("ntu25"))).float(), 3, 4, **options)
    freeze_blocks(network, len(network.blocks))
    assert {name for name, it in network.named_parameters() if it.requires_grad} == {"head.weight", "head.bias"}
