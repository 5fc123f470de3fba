"""Weights as the authors of 2s-AGCN, AAGCN, CTR-GCN and MS-G3D published them: read, computed, written back.

The figures are those of a plain reading of their formulas, see tests/golden/README.md.
"""

from collections import OrderedDict

import numpy as np
import pytest
import torch

from kinegraph.cli import main
from kinegraph.models.aagcn import AAGCN
from kinegraph.models.agcn import PersonAGCN
from kinegraph.models.ctrgcn import CTRGCN
from kinegraph.models.msg3d import MSG3D
from kinegraph.models.optimize import optimize
from kinegraph.models.published import identify, infer_layout, load_published, to_dialect
from kinegraph.models.weights import load_model, load_weights
from kinegraph.skeleton.layout import load_layout
from tests.models.golden_weights2 import EVERY, check_figures, golden_arrays, golden_state

GOLDEN = [name for name in EVERY if name.startswith("authors_")]
KINDS = {"2s-agcn": PersonAGCN, "aagcn": AAGCN, "ctr-gcn": CTRGCN, "ms-g3d": MSG3D}
AGCN = "authors_2s-agcn_ntu25_60"


def clips(name: str) -> torch.Tensor:
    return torch.from_numpy(golden_arrays(name)["input"]).permute(0, 4, 2, 3, 1)


@pytest.mark.parametrize("name", GOLDEN)
def test_the_formulas_figures(name):
    model, arrays, x = load_published(golden_state(name)), golden_arrays(name), clips(name)
    assert isinstance(model, KINDS[name.split("_")[1]])
    check_figures(name, model, x)
    engine = optimize(model, "fp32")(x)
    assert np.abs(engine.numpy() - arrays["logits"]).max() < 1e-5 * arrays["logits"].std()


@pytest.mark.parametrize("name", [*GOLDEN, *(it for it in EVERY if "protogcn" in it or "skateformer" in it)])
def test_weights_go_out_as_they_came_in(name):
    state = golden_state(name)
    theirs = to_dialect(load_published(state), identify(state)[0].dialect)
    assert theirs.keys() == state.keys()
    for key, tensor in state.items():
        assert torch.equal(theirs[key].to(tensor.dtype), tensor), key


def test_a_file_as_main_py_leaves_it(tmp_path, capsys):
    """Saved of nn.DataParallel, and named with epoch and step."""
    file, out = tmp_path / "runs-65-81640.pt", tmp_path / "w.safetensors"
    torch.save(OrderedDict((f"module.{key}", it) for key, it in golden_state(AGCN).items()), file)
    x = clips(AGCN)
    with torch.no_grad():
        logits = load_model(file)(x)
        assert torch.equal(logits, load_published(golden_state(AGCN))(x))
        assert main(["convert", str(file), str(out)]) == 0
        said = capsys.readouterr().out
        assert "it is that of layout 'ntu25', as dialect '2s-agcn' makes it" in said
        assert main(["inspect", str(file)]) == 0
        assert "holds no graph" in capsys.readouterr().out
        assert load_weights(out).layout.name == "ntu25"
        assert torch.equal(load_weights(out).model(x), logits)
    assert main(["convert", str(out), str(tmp_path / "back.pt"), "--to", "2s-agcn"]) == 0
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    assert all(torch.equal(back[key], it) for key, it in golden_state(AGCN).items())


def test_the_graph_is_a_layouts():
    state, said = golden_state(AGCN), []
    assert infer_layout(load_published(state, say=said.append)).name == "ntu25"
    star = load_published(state, layout=load_layout("ntu25_star"), say=said.append)
    assert infer_layout(star).name == "ntu25_star"
    assert [line.split("'")[1] for line in said] == ["ntu25", "ntu25_star"]
    with pytest.raises(ValueError, match="a network for 25 joints, layout 'coco17' has 17"):
        load_published(state, layout=load_layout("coco17"))
    other = to_dialect(PersonAGCN(torch.rand(3, 17, 17), 3, 4), "2s-agcn")
    with pytest.raises(ValueError, match="dialect '2s-agcn' hold no graph: name the layout of its 17 joints"):
        load_published(other)
    assert load_published(other, layout=load_layout("coco17")).A.shape == (3, 17, 17)


def test_networks_of_other_projects_are_not_written_as_theirs():
    graph = torch.rand(3, 25, 25)
    for network, dialects in ((CTRGCN, ("ctr-gcn", "pyskl")), (MSG3D, ("ms-g3d", "pyskl"))):
        option = "temporal_relu" if network is CTRGCN else "symmetric"
        for authors, dialect in zip((False, True), dialects, strict=True):
            model = network(graph, 3, 4, **{option: authors == (network is MSG3D)})
            with pytest.raises(ValueError, match=f"the network has {option} .*, dialect '{dialect}' always"):
                to_dialect(model, dialect)


@pytest.mark.parametrize(("network", "deviation"), [(AAGCN, (2 / 60) ** 0.5), (CTRGCN, (2 / 60) ** 0.5)])
def test_first_weights_of_the_authors(network, deviation):
    torch.manual_seed(0)
    model = network(torch.rand(3, 25, 25), 3, 60, widths=[64, 128], init="authors")
    assert model.head.weight.std().item() == pytest.approx(deviation, rel=0.05)
    assert model.head.bias.abs().max() > 0
    assert model.blocks[1].residual.mix.weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.1)
    scales = model.blocks[1].temporal_norm.weight
    assert scales.std().item() == pytest.approx(0.02 if network is CTRGCN else 0.0, abs=0.004)


@pytest.mark.parametrize(
    ("network", "options"),
    [
        (PersonAGCN, {}),
        (CTRGCN, {"temporal_relu": False}),
        (MSG3D, {"symmetric": True, "scales": 3, "window_scales": 2}),
    ],
    ids=["2s-agcn", "ctr-gcn", "ms-g3d"],
)
def test_absent_people_are_computed_once_to_the_same_gradients(network, options):
    """The quick path of a training step beside every body computed; and its gradient along one direction, by steps."""
    torch.manual_seed(0)
    chain = torch.diag(torch.ones(4), 1)
    widths = {"widths": [12, 12, 24]} | ({} if network is MSG3D else {"strides": [1, 2, 1]})
    model = network(torch.stack((torch.eye(5), chain, chain.T)), 3, 4, **widths, **options).double().train()
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, 0.3 if "norm" in name else 0.0, 0.3)
    x, people = torch.randn(4, 2, 9, 5, 3, dtype=torch.float64), torch.tensor([2, 1, 1, 2])
    x[people == 1, 1] = 0
    weight = torch.randn(4, 4, dtype=torch.float64)
    for parameter, found, expected in zip(
        model.parameters(),
        torch.autograd.grad((model(x, people) * weight).sum(), list(model.parameters())),
        torch.autograd.grad((model(x) * weight).sum(), list(model.parameters())),
        strict=True,
    ):
        assert torch.allclose(found, expected, rtol=1e-6, atol=1e-9), parameter.shape
    slopes = torch.autograd.grad((model(x) * weight).sum(), list(model.parameters()))
    direction = [torch.randn_like(it) for it in slopes]
    ends = []
    with torch.no_grad():
        for step in (1e-8, -2e-8):  # short: few maxima change their frame on the way
            for parameter, along in zip(model.parameters(), direction, strict=True):
                parameter += step * along
            ends.append((model(x) * weight).sum().item())
    expected = sum((slope * along).sum().item() for slope, along in zip(slopes, direction, strict=True))
    assert (ends[0] - ends[1]) / 2e-8 == pytest.approx(expected, rel=1e-4)
