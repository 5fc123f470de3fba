"""The YAML files of main.py in yysijie/st-gcn, 2s-AGCN and CTR-GCN."""

import json
import pickle
from itertools import islice

import numpy as np
import pytest
import torch
import yaml

from kinegraph.cli import main
from kinegraph.data.loading import train_loader
from kinegraph.foreign.read import is_foreign, read_foreign
from kinegraph.foreign.recipe import as_yaml
from kinegraph.models.agcn import PersonAGCN
from kinegraph.models.published import save_published
from kinegraph.training import loop
from tests.foreign.main_py_projects import AGCN, CTR, KINETICS, MMSKELETON, ST_GCN, UCLA


def recipe_of(text, place, *changes):
    (place / "theirs.yaml").write_text(text)
    return read_foreign(place / "theirs.yaml", changes)


def options(recipe):
    return yaml.safe_load(as_yaml(recipe, "data"))


def test_what_st_gcn_says(place):
    recipe = recipe_of(ST_GCN, place)
    ours = options(recipe)
    assert recipe.refused == []
    assert ours["model"]["init_args"] == {"init": "stgcn2018", "dropout": 0.5}
    assert ours["preprocessing"] == {"people": 2, "normalize": "none", "sampling": "pad", "frames": 300}
    assert ours["schedule"] == {"kind": "step", "milestones": [10, 50]}
    assert ours["optimizer"]["init_args"] == {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0001}
    assert (ours["epochs"], ours["batch_size"], ours["validate"]) == (80, 64, True)
    assert recipe.options["batch_size"].origin == "theirs.yaml:23 batch_size"
    kinetics = recipe_of(KINETICS, place)
    ours = options(kinetics)
    assert kinetics.dataset["layout"] == "openpose18"
    assert ours["preprocessing"]["sampling"] == "window"
    assert (ours["preprocessing"]["frames"], ours["preprocessing"]["test_frames"]) == (150, 300)
    assert ours["preprocessing"]["augment"] == {"rotation": [0.0, 0.0, 0.17], "scale": 0.1}


def test_what_2s_agcn_and_ctr_gcn_say(place):
    ours = options(recipe_of(AGCN, place, "base_lr=0.05"))
    assert (ours["model"]["class_path"], ours["partition"]) == ("kinegraph.models.agcn.PersonAGCN", "inward_outward")
    assert ours["optimizer"]["init_args"]["lr"] == 0.05
    recipe = recipe_of(CTR, place)
    ours = options(recipe)
    assert ours["preprocessing"] == {
        "people": 2,
        "normalize": "none",
        "streams": ["bone"],
        "sampling": "stretch",
        "frames": 64,
        "augment": {"crop": 0.5, "rotation": [0.3] * 3},
        "test_crop": 0.95,
    }
    assert ours["schedule"] == {"kind": "step", "milestones": [35, 55], "warmup": round(5 / 65, 6)}
    assert recipe.refused == []
    assert ours["model"]["init_args"] == {"init": "authors", "temporal_relu": False}
    assert recipe_of(CTR.replace("num_person: 2", "drop_out: 0.25"), place).get("head_dropout") == 0.25
    assert [(it.path, it.split) for it in recipe.parts.values()] == [
        ("data/ntu/NTU60_CS.npz", "train"),
        ("data/ntu/NTU60_CS.npz", "test"),
    ]


def test_our_own_yaml_is_not_taken_for_theirs(place):
    (place / "ours.yaml").write_text("dataset: data\nsplit: xsub\nmodel: STGCN\n")
    assert not is_foreign(place / "ours.yaml")
    assert not is_foreign(place / "none.yaml")


def write_arrays(place, recipe):
    """What the projects' own preparations of NTU RGB+D write."""
    rng, all_arrays = np.random.default_rng(0), {}
    for part, count in (("train", 60), ("val", 3)):
        source = recipe.parts[part]
        (place / source.path).parent.mkdir(parents=True, exist_ok=True)
        clips, classes = rng.normal(1, 0.1, (count, 3, 20, 25, 2)).astype(np.float32), np.arange(count) % 60
        if source.labels is None:
            all_arrays[f"x_{source.split}"] = clips.transpose(0, 2, 4, 3, 1).reshape(count, 20, 150)
            all_arrays[f"y_{source.split}"] = np.eye(60)[classes]
            np.savez(place / source.path, **all_arrays)
        else:
            np.save(place / source.path, clips)
            names = [f"{part}{i}.skeleton" for i in range(count)]
            (place / source.labels).write_bytes(pickle.dumps((names, classes.tolist())))


@pytest.mark.parametrize("text", [ST_GCN, AGCN, CTR], ids=["st-gcn", "2s-agcn", "ctr-gcn"])
def test_arrays_train_as_main_py_is_called(text, place, monkeypatch, capsys):
    monkeypatch.setattr(loop, "train_loader", lambda *args, **options: islice(train_loader(*args, **options), 2))
    recipe = recipe_of(text, place)
    write_arrays(place, recipe)
    words = ["recognition", "-c", "theirs.yaml", "--work_dir", "run", "--seed", "0", "--preprocessing.frames", "8"]
    words += ["--batch-size", "1", "--epochs", "1", "--workers", "0", "--accelerator", "cpu", "--no-report"]
    assert main(["train", *words, "--log-every", "1"]) == 0, capsys.readouterr().err
    log = [json.loads(line) for line in (place / "run" / "log.jsonl").read_text().splitlines()]
    (begun,) = [it for it in log if it["mode"] == "environment"]
    assert begun["clips"] == 60
    (validated,) = [it for it in log if it["mode"] == "val"]
    assert "top1" in validated
    tested = [
        "--phase",
        "test",
        "--weights",
        "run/checkpoints/last.safetensors",
        "--device",
        "0",
        "--save_score",
        "True",
    ]
    assert main(["test", "-c", "theirs.yaml", *tested, "--accelerator", "cpu"]) == 0, capsys.readouterr().err
    if recipe.parts["train"].labels is None:
        return
    (place / recipe.parts["train"].labels).rename(place / "elsewhere.pkl")
    assert main(["train", *words, "--overwrite"]) == 2
    error = capsys.readouterr().err
    assert "there are no labels" in error
    assert f"or a link to {recipe.parts['train'].labels}, which the config names" in error


def test_networks_of_the_same_projects(place):
    recipe = recipe_of(AGCN.replace("model.agcn", "model.aagcn").replace("num_person: 2", "attention: False"), place)
    ours = options(recipe)["model"]
    assert recipe.refused == []
    assert ours["class_path"].endswith(".AAGCN")
    assert ours["init_args"] == {"init": "authors", "attention": False}
    graph = AGCN.replace("model.agcn", "model.msg3d").replace("rgb_d.Graph", "rgb_d.AdjMatrixGraph")
    recipe = recipe_of(graph.replace("num_person: 2", "num_gcn_scales: 13\n  num_g3d_scales: 6"), place)
    assert (recipe.refused, recipe.dialect) == ([], "MS-G3D")
    assert options(recipe)["model"]["init_args"] == {"init": "authors", "symmetric": True}
    kinetics = graph.replace("num_person: 2", "num_gcn_scales: 8\n  num_g3d_scales: 8")
    assert options(recipe_of(kinetics, place))["model"]["init_args"]["window_scales"] == 8
    recipe = recipe_of(AGCN.replace("num_person: 2", "num_person: 1"), place)
    assert (recipe.get("model.init_args.people"), recipe.get("preprocessing.people")) == (1, 1)
    (refused,) = recipe_of(AGCN.replace("model.agcn", "model.shift_gcn"), place).refused
    assert "the network 'model.shift_gcn.Model' is not here, only net.st_gcn.Model" in refused


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "loss_contrast: 0.1\nuse_mixup: True\nuse_fn: False",
            "of another main.py, which may change the training; --cfg-options loss_contrast=None use_mixup=None ",
        ),
        ("label_path: x", "settings of another main.py"),
        ("start_epoch: 30", "--cfg-options start_epoch=0"),
        ("optimizer: LBFGS", "the optimizer 'LBFGS' is not here"),
    ],
)
def test_settings_that_change_the_training_are_refused(more, said, place):
    (refused,) = recipe_of(f"{AGCN}\n{more}", place).refused
    assert said in refused


def test_graphs_that_wait(place):
    recipe = recipe_of(f"{AGCN}\nonly_train_part: True\nonly_train_epoch: 5", place)
    assert (recipe.refused, recipe.get("graph_waits")) == (
        [],
        6,
    )  # it learns in epochs after the one numbered 5, from 0
    assert recipe_of(f"{AGCN}\nonly_train_part: True", place).get("graph_waits") == 1
    assert recipe_of(f"{AGCN}\nonly_train_epoch: 5", place).get("graph_waits") is None


def test_weights_and_what_a_project_takes_unsaid(place):
    unsaid = "\n".join(line for line in AGCN.splitlines() if line.partition(":")[0] not in ("weight_decay", "step"))
    recipe = recipe_of(f"{unsaid}\nweights: best.pt", place)
    assert (recipe.refused, recipe.get("init_from")) == ([], "best.pt")
    assert recipe.get("optimizer.init_args.weight_decay") == 0.0005  # as main.py of 2s-AGCN
    assert recipe.get("schedule.milestones") == [20, 40, 60]
    assert (
        recipe_of(ST_GCN.replace("weight_decay: 0.0001", ""), place).get("optimizer.init_args.weight_decay") == 0.0001
    )


def test_mmskeleton(place):
    recipe = recipe_of(MMSKELETON, place)
    ours = options(recipe)
    assert (recipe.refused, recipe.dialect) == ([], "mmskeleton")
    assert ours["model"]["init_args"] == {"init": "stgcn2018", "dropout": 0.5}
    assert ours["optimizer"]["init_args"] == {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.0001}
    assert (ours["epochs"], ours["schedule"]["milestones"], ours["validate_every"]) == (80, [10, 50], 5)
    assert (recipe.parts["val"].path, recipe.work_dir) == ("b.npy", "./work_dir/recognition/ntu-rgbd-xsub")
    a_gpu = recipe_of(MMSKELETON.replace("batch_size: 64", "gpu_batch_size: 16"), place)
    assert (a_gpu.refused, a_gpu.get("batch_size")) == ([], 64)  # of four GPUs
    named = recipe_of(MMSKELETON.replace("  work_dir:\n", "  work_dir: mine\n"), place)
    assert named.work_dir == "mine"
    (refused,) = recipe_of(MMSKELETON.replace("ST_GCN_18", "Other"), place).refused
    assert "the network 'Other' is not here, only ST_GCN_18" in refused


def test_nw_ucla_of_ctr_gcn(place, capsys):
    """Its files lie where the feeder's code has them; data_path are words."""
    recipe = recipe_of(UCLA, place)
    assert recipe.refused == []
    assert (recipe.dataset["layout"], recipe.get("repeat")) == ("kinect20", 5)
    ours = options(recipe)["preprocessing"]
    assert ours.pop("augment") == {"rotation": [1.047198, 1.047198, 0.0]}
    assert ours == {"people": 1, "streams": ["bone_motion"], "motion_between": "chosen", "normalize": "box",
                    "sampling": "sorted", "frames": 52}  # fmt: skip
    folder, rng = place / "data/NW-UCLA/all_sqe", np.random.default_rng(0)
    folder.mkdir(parents=True)
    actions = [1, 2, 3, 4, 5, 6, 8, 9, 11, 12]
    for view in (1, 2, 3):
        for label, action in enumerate(actions, 1):
            name, joints = f"a{action:02}_s01_e00_v{view:02}", rng.normal(size=(20, 20, 3)).tolist()
            (folder / f"{name}.json").write_text(json.dumps({"file_name": name, "skeletons": joints, "label": label}))
    words = ["--config", "theirs.yaml", "--work-dir", "run", "--batch-size", "10", "--epochs", "1", "--workers", "0"]
    assert main(["train", *words, "--repeat", "1", "--accelerator", "cpu", "--no-report"]) == 0, capsys.readouterr().err
    tested = ["--phase", "test", "--weights", "run/checkpoints/last.safetensors", "--accelerator", "cpu"]
    assert main(["test", "--config", "theirs.yaml", *tested]) == 0, capsys.readouterr().err
    assert "10 clips" in capsys.readouterr().out  # of camera 3
    (refused,) = recipe_of(UCLA.replace("feeder_ucla", "feeder_ucla_bone"), place).refused
    assert "feeders.feeder_ucla_bone.Feeder is not here" in refused


@pytest.mark.parametrize(
    ("train", "tested", "ours", "said"),
    [
        ("[0.5, 1]", "[0.95]", {"crop": 0.5, "test_crop": 0.95}, ""),
        ("[1]", "[1]", {"crop": None, "test_crop": None}, ""),
        ("[0.5, 0.9]", "[1]", {"crop": None}, "training takes a share from x to 1 here"),
        ("[2]", "[1]", {"crop": None}, "p_interval is [2], expected one or two shares of a clip"),
        ("[0.75, 1]", "[0.5, 1]", {"crop": 0.75, "test_crop": None}, "a test looks at the complete clip here"),
    ],
)
def test_shares_of_a_clip(train, tested, ours, said, place):
    text = CTR.replace("[0.5, 1]", train).replace("[0.95]", tested)
    recipe = recipe_of(text, place)
    assert recipe.get("preprocessing.augment.crop") == ours["crop"]
    assert recipe.get("preprocessing.test_crop") == ours.get("test_crop")
    assert any(said in line for line in [*recipe.refused, *recipe.notes])


def test_a_test_is_told_of_what_matters_to_it(place, capsys):
    """Refused in training, where it says so: not in a test, which does not come to that."""
    more = "optimizer: LBFGS\nonly_train_part: True\nonly_train_epoch: 5\nwarm_up_epoch: 5\nphase: test"
    recipe = recipe_of(f"{AGCN}\n{more}", place)
    write_arrays(place, recipe)
    model = PersonAGCN(torch.rand(3, 25, 25), 3, 60)
    save_published(place / "runs-49-31300.pt", model, "2s-agcn")
    words = ["--weights", "runs-49-31300.pt", "--device", "0", "1", "--save-score", "True", "--accelerator", "cpu"]
    assert main(["test", "--config", "theirs.yaml", *words, "--workers", "0"]) == 0, capsys.readouterr().err
    said = capsys.readouterr()
    assert [line.partition(":")[2][:40].strip() for line in said.out.splitlines() if line.startswith("note: --")]
    assert not any(
        word in said.out + said.err for word in ("learning rate", "batch here", "LBFGS", "only_train", "phase")
    )
    assert main(["train", "--config", "theirs.yaml", "--work-dir", "run"]) == 2
    said = capsys.readouterr()
    assert "the learning rate rises step by step" in said.out
    assert "LBFGS" in said.err
    recipe_of(AGCN.replace("num_point: 25", "mystery: 1"), place)
    assert main(["test", "--config", "theirs.yaml", *words]) == 2
    assert "'mystery' is not known here" in capsys.readouterr().err


def test_a_stream_of_the_test_alone(place, capsys):
    """As CTR-GCN's README sets it on the command line: a training would validate on another stream."""
    recipe = recipe_of(CTR, place, "test_feeder_args.vel=True")
    assert recipe.get("preprocessing.streams") == ["bone"]
    assert recipe.test_options()["preprocessing.streams"].value == ["bone_motion"]
    (refused,) = recipe.refused
    assert "streams differs between training and testing" in refused
    assert recipe.for_test(recipe.refused) == []
    same = recipe_of(CTR, place, "test_feeder_args.vel=True", "train_feeder_args.vel=True")
    assert (same.refused, same.get("preprocessing.streams")) == ([], ["bone_motion"])
    assert same.test_options()["preprocessing.streams"].value == ["bone_motion"]


def test_a_graph_of_a_users_code_by_the_name_of_a_layout(place):
    text = CTR.replace("graph.ntu_rgb_d.Graph", "graph.coco17.Graph").replace(
        "window_size: 64\n  norm", "num_point: 17\n  norm"
    )
    recipe = recipe_of(text, place)
    assert (recipe.refused, recipe.dataset["layout"]) == ([], "coco17")
    assert any("joints and edges are those of our layout 'coco17'" in note for note in recipe.notes)
    (refused,) = recipe_of(CTR.replace("graph.ntu_rgb_d.Graph", "graph.joint17.Graph"), place).refused
    assert "the graph 'graph.joint17.Graph' is not here" in refused
    assert "--cfg-options model_args.graph=graph.NAME.Graph" in refused
    changed = recipe_of(ST_GCN, place, "model_args.graph_args.layout=blazepose33")
    assert (changed.refused, changed.dataset["layout"]) == ([], "blazepose33")
    (refused,) = recipe_of(ST_GCN, place, "model_args.graph_args.layout=my_pose").refused
    assert "--cfg-options model_args.graph_args.layout=NAME takes one of them, or one of our layouts" in refused


def test_windows_that_cut_nothing(place):
    """tools.auto_pading of the feeders adds zeros to short clips; only random_choose takes a part of long ones."""
    window = "train_feeder_args.window_size=150", "test_feeder_args.window_size=150"
    both = recipe_of(ST_GCN, place, *window, "train_feeder_args.random_choose=True")
    assert (both.get("preprocessing.frames"), both.get("preprocessing.test_frames")) == (150, 300)
    assert not any("are cut" in line for line in both.notes)
    none = recipe_of(ST_GCN, place, *window)
    assert any(
        "more than 150 frames are cut to 150 here, there without random_choose they stay" in it for it in none.notes
    )
