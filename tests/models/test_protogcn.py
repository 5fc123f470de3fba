"""ProtoGCN: published logits, graph and losses, the classes' means, absent people, inference, first weights."""

import zlib

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from kinegraph.models.dgstgcn import DGSTGCN
from kinegraph.models.layers.absent import clip_logits_and_loss
from kinegraph.models.optimize import optimize
from kinegraph.models.protogcn import ProtoGCN, moved_means
from kinegraph.models.published import load_published, to_dialect
from kinegraph.models.transfer import Meaning, Start, take_over
from tests.models.golden_weights2 import EVERY, golden_arrays, golden_state

GOLDEN = [name for name in EVERY if "protogcn" in name]


def published_means(name: str, classes: int) -> torch.Tensor:
    seed = (zlib.crc32(f"{name}/avg_f".encode()) ^ EVERY[name]["seed"]) & 0xFFFFFFFF
    return torch.from_numpy(np.random.RandomState(seed).standard_normal((256, classes)).astype(np.float32))


@pytest.mark.parametrize("name", GOLDEN)
def test_published_figures(name):
    model, arrays = load_published(golden_state(name)), golden_arrays(name)
    x, labels = torch.from_numpy(arrays["input"]), torch.from_numpy(arrays["labels"])
    seen = []
    model.blocks[0].register_forward_hook(lambda _, given, made: seen.append(made))
    with torch.no_grad():
        logits, features = model(x), model.features(x).mean((1, 2, 3))
        _, more = model.features_and_more(x.flatten(0, 1))
        graph = model.contrast.graph(more.unflatten(0, (2, 2)).mean(1))
    assert isinstance(model, ProtoGCN)
    assert sum(it.numel() for it in model.parameters()) == EVERY[name]["parameters"]
    frames = seen[0][0, EVERY[name]["block0_frames"]].permute(2, 0, 1)
    for key, found in (("logits", logits), ("features", features), ("block0", frames), ("graph", graph)):
        near = 1e-5 * (arrays[key].std() if key != "graph" else 1)  # the graph is one number and little beside it
        assert np.abs(found.numpy() - arrays[key]).max() < near, key
    assert cross_entropy(logits, labels).item() == pytest.approx(arrays["cross_entropy"].item(), rel=1e-5)


@pytest.mark.parametrize("name", GOLDEN)
def test_published_loss_and_means(name):
    model, arrays = load_published(golden_state(name)), golden_arrays(name)
    x, labels = torch.from_numpy(arrays["input"]), torch.from_numpy(arrays["labels"])
    before = published_means(name, EVERY[name]["classes"])
    model.contrast.means.copy_(before)
    logits, loss = clip_logits_and_loss(model, x, None, labels)
    assert loss.item() / model.weight == pytest.approx(arrays["contrastive_loss"].item(), rel=1e-5)
    assert torch.equal(model.contrast.means, before)  # which move while training only
    described = model.contrast.describe(torch.from_numpy(arrays["graph"]))
    after = moved_means(before, described, logits, labels)
    assert (after[:, labels[0]] - torch.from_numpy(arrays["class_mean_after"])).abs().max() < 1e-4
    others = torch.arange(after.shape[1]) != labels[0]
    assert torch.equal(after[:, others], before[:, others])


def test_weights_are_of_one_dialect():
    with pytest.raises(ValueError, match="no ProtoGCN in dialect 'pyskl', only in protogcn"):
        to_dialect(small(), "pyskl")


def test_as_many_multiplications_as_published_and_fewer_in_inference():
    model, spec = load_published(golden_state(GOLDEN[0])), EVERY[GOLDEN[0]]
    x, labels = torch.zeros(1, 2, 100, 25, 3), torch.zeros(1, dtype=torch.long)
    counted = []
    for given in ((x,), (x, None, labels)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(*given)
        counted.append(counter.get_total_flops() / 2)
    pairs, frames, expected = 625, 100, spec["gmacs"] * 1e9
    again = 2 * 8 * pairs * 48  # how alike joints are, in the last block, is computed twice
    described = pairs * 256 + 2 * 256 * 60  # no part of the published count
    branch = pairs * (2 * 384 * 400 + 384 * 384)
    embedded = 2 * 2 * 25 * 384 * 384  # theta and phi of the last block, again
    assert counted[1] - counted[0] == branch + described + again + embedded
    for block in model.blocks:  # there joints are compared before the mean over time
        expected -= 2 * block.spatial.theta.weight.numel() * 2 * 25 * (frames - 1)
        frames = -(-frames // block.temporal.stride)
    assert counted[0] + branch == pytest.approx(expected, abs=1e5)


def small(joints: int = 5, **options) -> ProtoGCN:
    torch.manual_seed(0)
    model = ProtoGCN(torch.ones(1, joints, joints), 3, 4, prototypes=6, widths=[16, 16, 32], **options)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight, 0.6, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 and not name.endswith("norm.weight"):
            torch.nn.init.normal_(parameter, 0.3, 0.1)
    torch.nn.init.normal_(model.head.weight)
    return model.eval()


def test_relations_of_the_last_block_are_what_its_graph_adds():
    model, mean = small(), torch.randn(16, 2, 5)
    layer, graph = model.blocks[2].spatial, torch.randn(8, 5, 5)
    apart = layer.related(mean, graph) - graph[:, None, None]
    assert torch.allclose(layer.related(mean), apart, atol=1e-5)


def test_means_move_towards_their_recognised_clips_alone():
    means, described = torch.zeros(2, 3), torch.tensor([[1.0, 0.0], [3.0, 0.0], [9.0, 9.0], [9.0, 9.0]])
    logits = torch.tensor([[5.0, 0, 0], [5.0, 0, 0], [5.0, 0, 0], [0, 5.0, 0]])
    after = moved_means(means, described, logits, torch.tensor([0, 0, 1, 2]))
    assert torch.allclose(after, torch.tensor([[0.2, 0, 0], [0, 0, 0]]), atol=1e-6)


def test_its_loss_trains_its_parts_and_means_but_not_the_head():
    model, x, labels = small().train(), torch.randn(6, 2, 9, 5, 3), torch.arange(6) % 4
    before = model.contrast.means.clone()
    logits, loss = model(x, None, labels)
    loss.backward()
    assert model.head.weight.grad is None
    for part in (model.contrast.query, model.contrast.describe, model.contrast.mix, model.blocks[2].spatial.theta):
        assert part.weight.grad.abs().max() > 0
    hit = {int(label) for label, said in zip(labels, logits.argmax(1), strict=True) if label == said}
    moved = {k for k in range(4) if not torch.equal(model.contrast.means[:, k], before[:, k])}
    assert hit == moved
    assert hit  # else this shows nothing


def test_absent_people_are_computed_once_to_the_same_loss_and_gradients(monkeypatch):
    monkeypatch.setattr("kinegraph.models.protogcn.DROPOUT", 0.0)
    x, people, labels = torch.rand(6, 2, 9, 5, 3).double(), torch.tensor([2, 1, 1, 2, 1, 1]), torch.arange(6) % 4
    x[people == 1, 1] = 0
    one, other = small().double().train(), small().double().train()
    for model, given in ((one, people), (other, None)):
        logits, loss = model(x, given, labels)
        (loss + cross_entropy(logits, labels)).backward()
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-6, atol=1e-11)
    for a, b in zip(one.buffers(), other.buffers(), strict=True):
        assert torch.allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 2e-5), ("bf16", 0.1)])
def test_the_engine_computes_the_same_without_the_prototypes(precision, apart):
    model, x = small(joints=25), torch.randn(5, 2, 20, 25, 3)
    engine = optimize(model, precision)
    with torch.no_grad():
        expected, found = model(x), engine(x)
    assert (found - expected).abs().max() < apart * expected.std()
    assert not any("contrast" in name for name in engine.state_dict())


def test_inference_needs_fewer_parameters():
    model = load_published(golden_state(GOLDEN[0]))
    contrast = sum(it.numel() for it in model.contrast.parameters())
    assert sum(it.numel() for it in model.parameters()) - contrast == 3_728_796


def test_starts_from_dgstgcn_of_its_widths():
    model = small()
    other = DGSTGCN(torch.ones(1, 5, 5), 3, 4, widths=[16, 16, 32])
    taken = take_over(model, Meaning(), Start("before", other, Meaning(), {}, {}))
    assert taken.new
    assert all(name.startswith("contrast.") for name in taken.new)
