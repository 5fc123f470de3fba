"""SkateFormer: published logits and first block, its groups, people and parts, moments, inference, first weights."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from kinegraph.cli import main
from kinegraph.inference.explanation import activation_map
from kinegraph.models.optimize import optimize
from kinegraph.models.published import load_published, to_dialect
from kinegraph.models.skateformer import NTU, NW_UCLA, GroupAttention, SkateFormer
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.skeleton.layout import load_layout
from tests import made_up
from tests.models.golden_weights2 import EVERY, check_figures, golden_arrays, golden_state

GOLDEN = [name for name in EVERY if "skateformer" in name]


def recorded(name: str) -> torch.Tensor:
    """The published input as clips of the recorded joints, the moments behind their coordinates; else 1."""
    arrays = golden_arrays(name)
    x = torch.from_numpy(arrays["input"]).permute(0, 4, 2, 3, 1)  # (N, M, T, V, C), in parts
    parts, joints = (NTU, 25) if x.shape[3] == 24 else (NW_UCLA, 20)
    clips = torch.ones(*x.shape[:3], joints, 4)
    clips[..., sum(parts, ()), :3] = x
    clips[..., 3] = torch.from_numpy(arrays["index_t"])[:, None, :, None]
    return clips


@pytest.mark.parametrize("name", GOLDEN)
def test_published_logits(name):
    model = load_published(golden_state(name))
    assert isinstance(model, SkateFormer)
    check_figures(name, model, recorded(name))


@pytest.mark.parametrize("name", GOLDEN)
def test_as_many_multiplications_as_published(name):
    model, spec = load_published(golden_state(name)), EVERY[name]
    fused = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v)
    }
    with FlopCounterMode(display=False, custom_mapping=fused) as counted, torch.no_grad():
        model(recorded(name)[:1])
    assert counted.get_total_flops() / 2e9 == pytest.approx(spec["gmacs"], abs=1e-4)


def test_parts_that_a_published_file_cannot_say_are_not_written():
    other = "with other people, parts or near than published"
    for options, message in (
        ({"moments": False}, "without moments"),
        ({"near": 4}, other),
        ({"parts": NTU[::-1]}, other),
        ({"people": 1}, other),
    ):
        model = SkateFormer(torch.zeros(1, 25, 25), 4, 5, **{"moments": True, "widths": [32] * 4} | options)
        with pytest.raises(ValueError, match=f"no SkateFormer in dialect 'skateformer' {message}"):
            to_dialect(model, "skateformer")


def small(**options) -> SkateFormer:
    torch.manual_seed(0)
    parts = [[0, 1], [3, 4], [6, 5]]
    model = SkateFormer(torch.zeros(1, 7, 7), 3, 4, **{"parts": parts, "widths": [32, 64]} | options)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.3)
    return model.eval()


@pytest.mark.parametrize("spread_frames", [False, True])
@pytest.mark.parametrize("spread_joints", [False, True])
def test_attention_is_its_formula(spread_frames, spread_joints):
    torch.manual_seed(0)
    layer, x = GroupAttention(4, spread_frames, spread_joints, 0.0), torch.randn(1, 16, 8, 24)
    torch.nn.init.normal_(layer.table)
    frames = [[8 * a + n for n in range(8)] if not spread_frames else [2 * n + a for n in range(8)] for a in range(2)]
    joints = [[4 * b + k for k in range(4)] if not spread_joints else [2 * k + b for k in range(4)] for b in range(2)]
    expected = torch.zeros(1, 16, 8, 8)
    for group in frames:
        for near in joints:
            tokens = [(n, k) for n in range(8) for k in range(4)]
            seen = torch.stack([x[0, group[n], near[k]] for n, k in tokens]).view(32, 3, 4, 2)
            for head in range(4):
                q, key, v = seen[:, :, head].unbind(1)
                score = q @ key.T / 2
                for p, (n, k) in enumerate(tokens):
                    for r, (m, other) in enumerate(tokens):
                        place = (n - m + 7, k, other, head) if spread_joints else (p % 8 - r % 8 + 7, head)
                        score[p, r] += layer.table[place]
                said = score.softmax(1) @ v
                for p, (n, k) in enumerate(tokens):
                    expected[0, group[n], near[k], 2 * head : 2 * head + 2] = said[p]
    assert torch.allclose(layer(x), expected, atol=1e-5)
    assert torch.allclose(layer.eval()(x), expected, atol=1e-5)


def test_people_attend_to_one_another_and_are_filled_up():
    model, x = small(), torch.randn(2, 1, 16, 7, 3)
    with torch.no_grad():
        assert torch.equal(model(x), model(torch.cat([x, torch.zeros_like(x)], 1)))
        assert not torch.allclose(model(x), model(torch.cat([x, torch.randn_like(x)], 1)))
    with pytest.raises(ValueError, match="built for 2 people, the clips have 3"):
        model(torch.rand(1, 3, 16, 7, 3))


def test_joints_in_no_part_are_not_looked_at_and_have_no_share():
    model, x = small(), torch.randn(2, 2, 16, 7, 3)
    other = x.clone()
    other[..., 2, :] = 9.0
    with torch.no_grad():
        logits = model(x)
        assert torch.equal(logits, model(other))
    shares = activation_map(model, x)
    assert shares.shape == (2, 2, 8, 7)
    assert not shares[..., 2].any()
    assert torch.allclose(shares.sum((1, 2, 3)), logits.max(1).values, rtol=1e-4)


def test_shares_belong_to_the_joints_that_move_them():
    """Without a word between joints and frames, the share of a joint follows from that joint alone."""
    model, x = small(widths=[32]), torch.randn(1, 2, 8, 7, 3)
    for block in model.blocks:
        torch.nn.init.zeros_(block.join.weight)
    before, changed = activation_map(model, x, torch.tensor([0])), x.clone()
    changed[0, 1, :, 5] += 1.0
    apart = (activation_map(model, changed, torch.tensor([0])) - before).abs().sum(2)[0]  # (M, V)
    assert apart[1, 5] > 0
    apart[1, 5] = 0
    assert not apart.any()


def test_evenly_spread_moments_need_no_channel():
    spread = small()
    parts = [[0, 1], [3, 4], [6, 5]]
    timed = SkateFormer(torch.zeros(1, 7, 7), 4, 4, parts=parts, widths=[32, 64], moments=True).eval()
    timed.load_state_dict(spread.state_dict())
    x, moments = torch.randn(2, 2, 16, 7, 3), (torch.arange(16) + 0.5) / 8 - 1
    with torch.no_grad():
        found = timed(torch.cat([x, moments[:, None, None].expand(2, 2, 16, 7, 1)], 4))
        assert torch.allclose(found, spread(x), atol=1e-5)
    with pytest.raises(ValueError, match="the last channel of the clips differs from joint to joint"):
        timed(torch.randn(2, 2, 16, 7, 4))


def test_other_numbers_of_frames_are_refused():
    with pytest.raises(
        ValueError, match=r"clips of 16 frames or a multiple, these have 20: .*--preprocessing\.frames 16"
    ):
        small()(torch.rand(1, 2, 20, 7, 3))


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-5), ("bf16", 5e-2)])
def test_the_engine_computes_the_same(precision, apart):
    model = load_published(golden_state(GOLDEN[1]))
    x = recorded(GOLDEN[1])
    with torch.no_grad():
        expected, found = model(x), optimize(model, precision)(x)
    assert (found - expected).abs().max() < apart * expected.std()


def test_training_leaves_out_sums_and_attention_by_the_step_alone():
    model, x = small(skip=0.5).train(), torch.randn(8, 2, 16, 7, 3)
    outputs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        outputs.append(model(x))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.allclose(outputs[0], outputs[2])


def test_weights_files_know_parts_and_people(tmp_path):
    model = SkateFormer(torch.zeros(3, 17, 17), 3, 4, people=1, parts=[[5, 7], [6, 8], [11, 13]], widths=[32, 32])
    model.eval()
    save_weights(tmp_path / "w.safetensors", model, layout=load_layout("coco17"), class_names=list("abcd"),
                 preprocessing={})  # fmt: skip
    again, x = load_weights(tmp_path / "w.safetensors").model, torch.rand(2, 1, 16, 17, 3)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))


def test_first_weights_as_published():
    torch.manual_seed(0)
    model = SkateFormer(torch.zeros(1, 25, 25), 3, 60)
    for weight in (model.embedding, model.blocks[3].between_joints, model.blocks[3].attention[1].table):
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert weight.abs().max() < 2  # the published bounds are no deviations
    assert [block.skip for block in model.blocks] == pytest.approx([0.2 * n / 7 for n in range(8)])


def test_clips_that_a_network_does_not_take_are_refused_before_a_run_begins(tmp_path, capsys):
    made_up.dataset(tmp_path / "data", 9)
    network = {"class_path": "kinegraph.models.skateformer.SkateFormer", "init_args": {"widths": [32, 32]}}
    preprocessing = {"people": 2, "normalize": "none", "sampling": "resample", "frames": 20}
    config = made_up.config(tmp_path / "config.yaml", tmp_path / "data", model=network, preprocessing=preprocessing)
    assert main(["train", str(config), "--work-dir", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "takes clips of 16 frames or a multiple, these have 20: give --preprocessing.frames 16" in said
    assert sorted(it.name for it in tmp_path.iterdir()) == ["config.yaml", "data"]
