"""An ensemble answers as its members would together, and each member learns as it would alone."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kinegraph.models.agcn import AGCN
from kinegraph.models.ensemble import Ensemble
from kinegraph.models.jointdistances import JointDistances
from kinegraph.models.minirocket import MiniRocket
from kinegraph.models.optimize import optimize
from kinegraph.models.ridge import LinearHead
from kinegraph.models.stgcn import STGCN
from kinegraph.models.transfer import Meaning, Start, freeze_blocks, take_over
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from kinegraph.training.optim import parameter_groups

LAYOUT = load_layout("coco17")
GRAPH = torch.tensor(adjacency(LAYOUT, strategy="inward_outward")).float()
ST = {"widths": [8, 8, 16], "kernel": 3, "edges": "learned", "graph_residual": True}
MEMBERS = [
    {"network": "kinegraph.models.stgcn.STGCN", **ST},
    {"network": "kinegraph.models.agcn.AGCN", "streams": [2], "widths": [8, 8, 16], "kernel": 3},
    {"network": "kinegraph.models.stgcn.STGCN", "streams": [0, 2], **ST},
]
SEEN = [[0, 1, 2, 3, 4, 5], [4, 5], [0, 1, 4, 5]]  # channels


def ensemble(members=MEMBERS, streams=3) -> Ensemble:
    torch.manual_seed(0)
    model = Ensemble(GRAPH, 6, 4, streams=streams, members=members)
    for layer in model.modules():
        if hasattr(layer, "running_mean"):
            layer.weight.data.uniform_(0.5, 1)
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return model


def apart(model: Ensemble) -> list:
    """The members as networks of their own."""
    kinds, weights = (STGCN, AGCN, STGCN), model.head.weight.split(model.widths, dim=1)
    networks = []
    for kind, member, seen, about, weight in zip(kinds, model.members, SEEN, MEMBERS, weights, strict=False):
        options = {key: it for key, it in about.items() if key not in ("network", "streams")}
        network = kind(GRAPH, len(seen), 4, **options)
        network.load_state_dict(member.state_dict() | {"head.weight": weight, "head.bias": model.head.bias})
        networks.append(network)
    return networks


def clips():
    x, labels = torch.randn(4, 2, 10, 17, 6), torch.tensor([0, 3, 1, 1])
    people = torch.tensor([2, 1, 2, 1])
    x[people == 1, 1] = 0
    return x, people, labels


def test_the_answer_is_the_mean_of_the_members():
    model = ensemble().eval()
    x, people, _ = clips()
    alone = [network.eval()(x[..., seen], people) for network, seen in zip(apart(model), SEEN, strict=True)]
    torch.testing.assert_close(model(x, people), torch.stack(alone).mean(0), atol=1e-5, rtol=1e-5)


def test_each_member_learns_as_it_would_alone_from_clips_of_its_own():
    model = ensemble().train()
    x, people, labels = clips()
    networks = apart(model)
    F.cross_entropy(model(x, people), labels).backward()
    shares = zip(*(it.tensor_split(3) for it in (x, people, labels)), strict=True)
    for i, (network, seen, (its, there, wanted)) in enumerate(zip(networks, SEEN, shares, strict=True)):
        F.cross_entropy(network.train()(its[..., seen], there), wanted).backward()
        for (name, mine), theirs in zip(model.members[i].named_parameters(), network.parameters(), strict=False):
            share = len(wanted) / len(labels)
            torch.testing.assert_close(mine.grad, share * theirs.grad, atol=1e-5, rtol=1e-4, msg=f"{i} {name}")


def test_a_member_that_is_fitted_counts_as_all_others_and_no_step_changes_it():
    about = {"network": "kinegraph.models.minirocket.MiniRocket", "streams": [0], "kernels": 6}
    model = ensemble([*MEMBERS, about])
    (part,) = model.closed_form_parts()
    assert part.seen == [0, 1]
    x, people, labels = clips()
    part.network.see(x[:, 0][..., part.seen])
    head = LinearHead(np.random.default_rng(0).normal(size=(4, 6)), np.arange(4.0), np.zeros((1, 1, 4)))
    part.put(head)
    fitted = MiniRocket(GRAPH, 2, 4, kernels=6)
    fitted.load_state_dict(part.network.state_dict(), strict=False)
    head.copy_to(fitted.head)
    others = [network.eval()(x[..., seen], people) for network, seen in zip(apart(model), SEEN, strict=False)]
    wanted = torch.stack(others).mean(0) + fitted.eval()(x[..., :2], people)
    torch.testing.assert_close(model.eval()(x, people), wanted, atol=1e-5, rtol=1e-5)
    before, columns = model.head.weight[:, :16].clone(), model.head.weight[:, -7:].clone()
    optimizer = torch.optim.AdamW(parameter_groups(model), lr=0.1, weight_decay=0.5)
    for clips_of_a_batch in (4, 2):  # two clips are seen by all three
        few = slice(clips_of_a_batch)
        F.cross_entropy(model.train()(x[few], people[few]), labels[few]).backward()
        optimizer.step()
    assert torch.equal(model.head.weight[:, -7:], columns)
    assert not torch.equal(model.head.weight[:, :16], before)


def test_fewer_clips_than_members_are_seen_by_all():
    model = ensemble().train()
    model(*(it[:2] for it in clips()[:2])).sum().backward()
    assert all(it.grad is not None for it in model.parameters())
    with pytest.raises(ValueError, match="built for 6 channels, the clips have 3"):
        model(torch.randn(4, 1, 10, 17, 3))


def test_a_member_without_places_answers_with_the_others_and_is_told_its_streams():
    model = ensemble([MEMBERS[0], {"network": "kinegraph.models.jointdistances.JointDistances", "streams": [0, 1]}])
    x, people, _ = clips()
    assert model.members[1].coordinates == 2
    assert model.keeps_places
    assert model(x, people).shape == (4, 4)
    alone = JointDistances(GRAPH, 4, 4, streams=2)
    one, other = model.head.weight.split(model.widths, dim=1)
    alone.load_state_dict(model.members[1].state_dict() | {"head.weight": other, "head.bias": model.head.bias})
    first = STGCN(GRAPH, 6, 4, **ST)
    first.load_state_dict(model.members[0].state_dict() | {"head.weight": one, "head.bias": model.head.bias})
    wanted = (first.eval()(x, people) + alone.eval()(x[..., :4], people)) / 2
    torch.testing.assert_close(model.eval()(x, people), wanted, atol=1e-5, rtol=1e-5)


def test_folded_and_saved_it_answers_the_same(tmp_path):
    model = ensemble().eval()
    x = torch.randn(3, 1, 12, 17, 6)
    wanted = model(x)
    torch.testing.assert_close(optimize(model, "fp32")(x), wanted, atol=1e-5, rtol=1e-4)
    about = {"layout": LAYOUT, "class_names": list("abcd"), "preprocessing": {}}
    save_weights(tmp_path / "w.safetensors", model, **about)
    torch.testing.assert_close(load_weights(tmp_path / "w.safetensors").model(x), wanted, atol=0, rtol=0)


def test_it_starts_from_an_ensemble_of_the_same_members_and_freezes_blocks_of_all():
    theirs, ours = ensemble().eval(), Ensemble(GRAPH, 6, 7, streams=3, members=MEMBERS)
    meaning = Meaning(joints=LAYOUT.joints, classes=tuple("abcd"), streams=tuple("jbm"))
    here = Meaning(joints=LAYOUT.joints, classes=tuple("abcdefg"), streams=tuple("jbm"))
    taken = take_over(ours, here, Start("theirs", theirs, meaning, {}, {}))
    assert set(taken.new) == {"head.weight", "head.bias"}
    x = torch.randn(2, 1, 8, 17, 6)
    torch.testing.assert_close(ours.eval().features(x), theirs.features(x), atol=0, rtol=0)
    freeze_blocks(ours, 2, taken)
    learning = {name for name, it in ours.named_parameters() if it.requires_grad}
    assert learning
    assert not any(".blocks.0." in name or ".data_norm." in name for name in learning)
    with pytest.raises(ValueError, match="take a recipe of one network, such as small_data_quick"):
        take_over(ours, here, Start("one", STGCN(GRAPH, 6, 4, **ST), meaning, {}, {}))
    with pytest.raises(ValueError, match="of other members"):
        take_over(ensemble(MEMBERS[:2]), here, Start("theirs", theirs, meaning, {}, {}))


@pytest.mark.parametrize(
    ("members", "streams", "message"),
    [
        (MEMBERS, 4, "streams is 4, which does not divide the 6 channels"),
        ([], 3, "members is empty"),
        ([MEMBERS[0] | {"streams": [3]}], 3, r"streams are \[3\], expected a list of some of 0 to 2"),
        ([{"network": "os.system"}], 3, "asks for the network 'os.system'"),
        ([MEMBERS[0], MEMBERS[1] | {"widths": [8, 8, 8]}], 3, r"other strides: \[1, 1, 1\] and \[1, 1, 2\]"),
        ([{"network": "kinegraph.models.ctrgcn.CTRGCN"}], 3, "CTRGCN cannot be a member"),
        ([{"network": "STGCN"}], 3, "did you mean 'kinegraph.models.stgcn.STGCN'"),
        ([{"class_path": "kinegraph.models.stgcn.STGCN"}], 3, "names no network, only {'class_path'"),
        ([MEMBERS[0] | {"streams": 1}], 3, "streams are 1, expected a list"),
        ([MEMBERS[0] | {"width": [8]}], 3, "STGCN, a member, has no option 'width'; did you mean 'widths'"),
        ([MEMBERS[0] | {"widths": "abc"}], 3, "STGCN, a member, cannot be built with {'widths': 'abc'"),
    ],
)
def test_what_cannot_be_a_member_is_refused(members, streams, message):
    with pytest.raises(ValueError, match=message):
        ensemble(members, streams)
