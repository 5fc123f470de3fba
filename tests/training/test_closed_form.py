"""Parts that are fitted in closed form: to the training clips as a test sees them, once, and kept by the training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from kinegraph.cli import main
from kinegraph.data.dataset import open_dataset, write_dataset
from kinegraph.data.loading import ClipDataset
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.models.minirocket import MiniRocket
from kinegraph.models.ridge import fit_head
from kinegraph.models.weights import load_weights
from kinegraph.skeleton.graph import adjacency
from kinegraph.training import closed_form
from kinegraph.training.closed_form import fit_closed_form
from tests import made_up

MEMBERS = [
    {"network": "kinegraph.models.stgcn.STGCN", "widths": [8, 8], "edges": "learned"},
    {"network": "kinegraph.models.minirocket.MiniRocket", "kernels": 30, "streams": [0]},
]


OF_TWO_STREAMS = {"network": "kinegraph.models.fixedfeatures.FixedFeatures", "kernels": 12, "streams": [0, 1]}


@pytest.mark.parametrize("fitted", [MEMBERS[1], OF_TWO_STREAMS])
def test_a_run_keeps_the_fitted_columns_and_says_so(tmp_path, capsys, fitted):
    made_up.dataset(tmp_path / "dataset")
    path = made_up.config(tmp_path / "config.yaml", tmp_path / "dataset", temperature=0.5)
    recipe = yaml.safe_load(path.read_text())
    recipe["model"] = {
        "class_path": "kinegraph.models.ensemble.Ensemble",
        "init_args": {"members": [MEMBERS[0], fitted]},
    }
    recipe["preprocessing"]["streams"] = ["joint", "bone"]
    path.write_text(yaml.safe_dump(recipe))
    assert main(["train", str(path), "--work-dir", str(tmp_path / "run"), "--epochs", "2"]) == 0
    folder = open_dataset(tmp_path / "dataset")
    indices = folder.indices(recipe["split"], "train")
    name = fitted["network"].rpartition(".")[2]
    assert f"{name}: fitted in closed form to {len(indices)} clips" in capsys.readouterr().out
    weights = load_weights(tmp_path / "run" / "checkpoints" / "last.safetensors")
    member = weights.model.members[1]
    steps = Preprocessing.from_dict(weights.preprocessing | {"test_mirror": True})  # the recipe mirrors training clips
    views = torch.from_numpy(np.stack([prepare_clip(folder[i], steps) for i in indices]))[
        ..., : 3 * len(fitted["streams"])
    ]
    of_people = member.forward_features(views.flatten(0, 2))[:, 0, 0].unflatten(0, views.shape[:3]).mean(2)
    head = fit_head(of_people.double().numpy(), folder.label[indices], len(folder.class_names))
    columns = weights.model.head.weight[:, -head.weight.shape[1] - 1 :].detach().double().numpy() * 0.5  # temperature
    np.testing.assert_allclose(columns[:, :-1], head.weight, atol=1e-3 * np.abs(head.weight).max())
    np.testing.assert_allclose(columns[:, -1], head.bias, atol=1e-3 * np.abs(head.weight).max())


def test_a_run_that_goes_on_is_not_fitted_again(tmp_path, capsys, monkeypatch):
    made_up.dataset(tmp_path / "dataset")
    path = made_up.config(tmp_path / "config.yaml", tmp_path / "dataset")
    recipe = yaml.safe_load(path.read_text())
    recipe["model"] = {"class_path": "kinegraph.models.ensemble.Ensemble", "init_args": {"members": MEMBERS}}
    path.write_text(yaml.safe_dump(recipe))
    given = ["train", str(path), "--work-dir", str(tmp_path / "run"), "--schedule.kind", "step", "--epochs"]
    assert main([*given, "1"]) == 0
    place = tmp_path / "run" / "checkpoints" / "last.safetensors"
    before = load_weights(place).model
    monkeypatch.setattr(closed_form, "fit_head", None)  # would raise
    capsys.readouterr()
    assert main([*given, "2", "--resume"]) == 0
    assert "fitted in closed form" not in capsys.readouterr().out
    after = load_weights(place).model
    assert torch.equal(after.head.weight[:, -31:], before.head.weight[:, -31:])
    assert torch.equal(after.members[1].threshold, before.members[1].threshold)


def test_networks_that_leave_half_precision_take_double_precision(tmp_path):
    made_up.dataset(tmp_path / "dataset")
    path = made_up.config(tmp_path / "config.yaml", tmp_path / "dataset", epochs=1)
    recipe = yaml.safe_load(path.read_text())
    members = [*MEMBERS, {"network": "kinegraph.models.jointdistances.JointDistances", "width": 8}]
    recipe["model"] = {"class_path": "kinegraph.models.ensemble.Ensemble", "init_args": {"members": members}}
    path.write_text(yaml.safe_dump(recipe))
    assert main(["train", str(path), "--work-dir", str(tmp_path / "run"), "--precision", "64-true"]) == 0


def clips_of(tmp_path, steps: Preprocessing) -> ClipDataset:
    folder = made_up.dataset(tmp_path / "dataset")
    return ClipDataset(folder, np.arange(len(folder)), steps, seed=0)


def network(clips: ClipDataset) -> MiniRocket:
    return MiniRocket(adjacency(clips.folder.layout, "uniform"), 3, len(clips.folder.class_names), kernels=30)


def test_of_many_clips_some_are_taken_and_this_is_said(tmp_path, monkeypatch):
    clips = clips_of(tmp_path, Preprocessing(frames=16, sampling="resample"))
    monkeypatch.setattr(closed_form, "MOST", 20)
    assert (
        fit_closed_form(network(clips).closed_form_parts(), clips)
        == f"MiniRocket: fitted in closed form to 20 clips of {len(clips)}"
    )


def test_rare_classes_are_not_left_to_chance():
    label = np.zeros(50_000, int)
    label[[7, 400, 30_000]], label[40_000:40_400] = 1, 2
    places = closed_form.some_of_all(label)
    plain = np.random.default_rng(0).choice(len(label), closed_form.MOST, replace=False)
    assert np.bincount(label[plain]).tolist()[1:2] == [0]  # what chance would take
    assert {7, 400, 30_000} < set(places.tolist())
    assert set(places.tolist()) - {7, 400, 30_000} == set(plain.tolist())  # nothing else changes


def test_mirror_images_are_fitted_where_training_mirrors(tmp_path, monkeypatch):
    seen = []

    def watched(vectors, *rest):
        seen.append((vectors.shape, *rest[2:]))
        return fit_head(vectors, *rest)

    monkeypatch.setattr(closed_form, "fit_head", watched)
    for mirror, views in ((0.0, 1), (0.5, 2)):
        steps = Preprocessing.from_dict({"frames": 16, "sampling": "resample", "augment": {"mirror": mirror}})
        clips = clips_of(tmp_path / str(mirror), steps)
        fit_closed_form(network(clips).closed_form_parts(), clips)
        (_, found, _), twins, people = seen.pop()
        assert (found, twins, people) == (views, None, None)


def test_frames_of_recordings_are_refused():
    from kinegraph.data.windows import WindowDataset

    windows = WindowDataset.__new__(WindowDataset)
    with pytest.raises(ValueError, match="MiniRocket is fitted to clips, but the task is frames"):
        fit_closed_form(MiniRocket(np.ones((1, 5, 5)), 3, 2).closed_form_parts(), windows)


@pytest.mark.parametrize(("subjects", "known"), [("abcd", True), ("abc", False), ("a", False), (["a", ""], False)])
def test_a_head_is_judged_by_people_that_it_does_not_know(tmp_path, monkeypatch, subjects, known):
    made = [
        replace(clip, attributes={"subject": subjects[i % len(subjects)]}) for i, clip in enumerate(made_up.clips(12))
    ]
    about = {"class_names": ["a", "b", "c"], "units": "m", "source": "made up"}
    folder = write_dataset(tmp_path / "d", made, layout=made[0].layout, **about)
    clips = ClipDataset(folder, np.arange(12), Preprocessing(frames=16, sampling="resample"), seed=0)
    seen = []

    def watched(vectors, *rest):
        seen.append(rest[-1])
        return fit_head(vectors, *rest)

    monkeypatch.setattr(closed_form, "fit_head", watched)
    fit_closed_form(network(clips).closed_form_parts(), clips)
    (people,) = seen
    assert (people is not None) == known
    assert not known or len(np.unique(people)) == 4  # three people have a class each
