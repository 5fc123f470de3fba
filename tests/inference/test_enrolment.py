"""Clips as vectors, and new classes from a few examples."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.data.augment import mirror
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.inference.explanation import can_explain
from kinegraph.models.network import BlackBox
from kinegraph.models.protogcn import ProtoGCN
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import Weights, load_weights, save_weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from tests import made_up

LAYOUT = load_layout("ntu25")
GRAPH = torch.tensor(adjacency(LAYOUT, "spatial")).float()


def weights(network=None, classes=3) -> Weights:
    torch.manual_seed(0)
    network = (network or STGCN(GRAPH, 3, classes, widths=[8, 16])).eval()
    steps = Preprocessing(people=2, sampling="resample", frames=16, test_mirror=True)
    return Weights(network, LAYOUT, tuple("abc"), steps.to_dict(), {})


def clips(count: int, kinds: int, seed: int = 0) -> tuple[list[SkeletonClip], list[str]]:
    """Clips of different lengths; those of a kind move alike."""
    rng, ways = np.random.default_rng(seed), np.random.default_rng(9).standard_normal((kinds, 2, 1, 25, 3))
    made, names = [], []
    for i in range(count):
        people, frames = 1 + i % 2, 20 + i
        beat = np.sin(np.linspace(0, 6, frames))[None, :, None, None]
        pose = rng.standard_normal((people, 1, 25, 3)) * 0.1
        made.append(SkeletonClip((pose + beat * ways[i % kinds, :people]).astype(np.float32), LAYOUT, name=f"clip {i}"))
        names.append(f"kind {i % kinds}")
    return made, names


def test_a_vector_is_what_the_head_sees():
    known, (made, _) = weights(), clips(5, 2)
    vectors = kg.embed(known, made)
    logits = known.model.head(torch.from_numpy(vectors)).detach().numpy()
    steps = Preprocessing.from_dict(known.preprocessing)
    for clip, row in zip(made, logits, strict=True):
        views = torch.from_numpy(prepare_clip(clip, steps))
        wanted = known.model(views, torch.full((len(views),), clip.people)).mean(0)
        np.testing.assert_allclose(row, wanted.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", [STGCN, ProtoGCN])
def test_examples_become_classes_and_the_network_stays_as_it_was(kind):
    torch.manual_seed(0)
    options = {"prototypes": 4, "widths": [16, 32]} if kind is ProtoGCN else {"widths": [8, 16]}
    known, (made, names) = weights(kind(GRAPH, 3, 3, **options)), clips(20, 4)
    before = {name: tensor.clone() for name, tensor in known.model.state_dict().items()}
    model = kg.enroll(known, made, names)
    others, truth = clips(12, 4, seed=5)
    assert [kg.predict(model, clip).class_name for clip in others] == truth
    assert known.model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in known.model.state_dict().items())
    assert known.class_names == ("a", "b", "c")


def test_what_looks_like_no_example_is_doubted():
    made, names = clips(40, 4)
    model = kg.enroll(weights(), made, names)
    others, kinds = clips(60, 6, seed=5)
    known = np.array([kg.predict(model, clip).known for clip in others])
    shown = np.array([kind in names for kind in kinds])
    assert known[shown].mean() > 0.6
    assert not known[~shown].any()


def written(folder: Path, count: int) -> tuple[list[str], list[SkeletonClip], list[str]]:
    """Words of a command line for weights and a folder of examples in folders of classes; these and their classes."""
    known, (made, names) = weights(), clips(count, 4)
    about = {"layout": LAYOUT, "class_names": known.class_names, "preprocessing": known.preprocessing}
    save_weights(folder / "w.safetensors", known.model, **about)
    for clip, name in zip(made, names, strict=True):
        (folder / "examples" / name).mkdir(parents=True, exist_ok=True)
        np.save(folder / "examples" / name / f"{clip.name}.npy", clip.keypoint)
    return [str(folder / "w.safetensors"), str(folder / "examples"), "--layout", "ntu25", "--units", "m"], made, names


def test_the_command_line(tmp_path, capsys):
    given, *_ = written(tmp_path, 20)
    assert main(["enroll", *given, "--out", str(tmp_path / "new.safetensors")]) == 0
    said = capsys.readouterr().out
    assert "4 classes of 20 examples" in said
    new = load_weights(tmp_path / "new.safetensors")
    assert new.class_names == ("kind 0", "kind 1", "kind 2", "kind 3")
    assert 0 < new.extra["least_probability"] <= 1
    assert main(["predict", str(tmp_path / "new.safetensors"), *given[1:], "--out", str(tmp_path / "a.csv")]) == 0
    assert "accuracy 100.0%" in capsys.readouterr().out
    assert main(["embed", *given, "--out", str(tmp_path / "v.npz")]) == 0
    with np.load(tmp_path / "v.npz") as file:
        assert file["vectors"].shape == (20, 16)
        assert sorted({*file["classes"].tolist()}) == list(new.class_names)
    assert main(["enroll", *given, "--out", str(tmp_path / "new.safetensors")]) == 2
    assert "exists; choose another name or give --overwrite" in capsys.readouterr().err


def test_examples_may_come_one_after_another():
    clips, classes = made_up.clips(6), [*"abcabc"]
    expected = kg.predict(kg.enroll("any", clips, classes), clips[0]).probabilities
    again = kg.enroll("any", (clip for clip in clips), (name for name in np.array(classes)))
    np.testing.assert_array_equal(kg.predict(again, clips[0]).probabilities, expected)
    assert again.weights.class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("clips", "classes", "message"),
    [
        (made_up.clips(3), ["a", "b"], "3 clips and 2 names of classes, expected one for each clip"),
        (made_up.clips(3), [0, 1, 2], "a class is named 0, expected a text"),
        (made_up.clips(3)[0], ["a"], r"clips are a SkeletonClip, expected several: give \[clip\]"),
        ("clips.csv", ["a"], "clips are a str, expected several: give kg.read"),
        ([np.ones((9, 25, 3))], ["a"], "clip 0 is a ndarray, expected a SkeletonClip"),
        ([], [], "0 clips"),
    ],
)
def test_examples_that_do_not_fit_are_one_line(clips, classes, message):
    with pytest.raises(ValueError, match=message):
        kg.enroll("any", clips, classes)


def test_one_class_and_a_network_without_features_are_refused():
    made, _ = clips(3, 1)
    with pytest.raises(ValueError, match="there is one class, wave"):
        kg.enroll(weights(), made, ["wave"] * 3)

    class Plain(torch.nn.Module):
        def __init__(self, graph, channels, classes):
            super().__init__()
            self.head = torch.nn.Linear(channels, classes)

        def forward(self, x):
            return self.head(x.mean((1, 2, 3)))

    with pytest.raises(ValueError, match="has no features that its classes are computed from"):
        kg.embed(weights(BlackBox(Plain, GRAPH, 3, 3)), made)


def test_one_example_of_each_class_is_enough_and_cannot_be_checked(tmp_path, capsys):
    given, made, names = written(tmp_path, 4)
    assert main(["enroll", *given, "--out", str(tmp_path / "new.safetensors")]) == 0
    assert "nothing says how often answers will be right" in capsys.readouterr().out
    assert "least_probability" not in load_weights(tmp_path / "new.safetensors").extra
    model = kg.enroll(weights(), made, names)
    others, truth = clips(12, 4, seed=5)
    assert [kg.predict(model, clip).class_name for clip in others] == truth
    assert all(kg.predict(model, clip).known for clip in others)


@pytest.mark.parametrize(("layout", "dimensions"), [("ntu25", 3), ("coco17", 2)])
def test_any_takes_every_layout(layout, dimensions):
    def made(count: int, seed: int):
        found, names = clips(count, 4, seed)
        joints = load_layout(layout)
        return [SkeletonClip(it.keypoint[:, :, : len(joints), :dimensions], joints) for it in found], names

    model = kg.enroll("any", *made(20, 0))
    others, truth = made(12, 5)
    assert [kg.predict(model, clip).class_name for clip in others] == truth
    vectors = kg.embed("any", others)
    assert len(vectors) == 12
    assert np.isfinite(vectors).all()


def test_mirrored_examples_of_one_side_are_of_the_other():
    """Two wave with the right hand, and nobody bows but with one side; both are known from the other side."""
    made, names = clips(12, 3)
    names = [{"kind 0": "bow", "kind 1": "wave left", "kind 2": "jump"}[name] for name in names]

    def turned(clip):
        return replace(clip, keypoint=mirror(clip.keypoint, LAYOUT))

    rights = [turned(clip) for clip, name in zip(made, names, strict=True) if name == "wave left"]
    model = kg.enroll("any", [*made, *rights[:2]], [*names, "wave right", "wave right"])
    assert not model.weights.preprocessing["test_mirror"]
    assert [kg.predict(model, clip).class_name for clip in rights[2:]] == ["wave right"] * 2
    assert kg.predict(model, turned(made[0])).class_name == "bow"
    alike = kg.enroll("any", made, [name.removesuffix(" left") for name in names])
    assert alike.weights.preprocessing["test_mirror"]


def test_any_on_the_command_line(tmp_path, capsys):
    made, names = clips(12, 3)
    for clip, name in zip(made, names, strict=True):
        (tmp_path / "examples" / name).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "examples" / name / f"{clip.name}.npy", clip.keypoint)
    given = [str(tmp_path / "examples"), "--layout", "ntu25", "--units", "m"]
    assert main(["enroll", "any", *given, "--out", str(tmp_path / "new.safetensors")]) == 0
    assert "3 classes of 12 examples" in capsys.readouterr().out
    assert "based_on" not in load_weights(tmp_path / "new.safetensors").extra
    assert main(["predict", str(tmp_path / "new.safetensors"), *given, "--out", str(tmp_path / "a.csv")]) == 0
    assert "accuracy 100.0%" in capsys.readouterr().out
    assert main(["embed", "any", *given, "--out", str(tmp_path / "v.npz")]) == 0
    with np.load(tmp_path / "v.npz") as file:
        assert len(file["vectors"]) == 12
    assert can_explain(weights().model)
    assert not can_explain(load_weights(tmp_path / "new.safetensors").model)
