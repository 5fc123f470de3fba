"""Configs of MMAction2, PYSKL and ProtoGCN: what each says in our words, and that they train."""

import ast
import json
from contextlib import suppress
from itertools import islice

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinegraph.cli import main
from kinegraph.commands.arguments import read_config
from kinegraph.commands.train import train
from kinegraph.data.loading import train_loader
from kinegraph.foreign.read import read_foreign
from kinegraph.foreign.recipe import as_yaml
from kinegraph.models.weights import load_weights
from kinegraph.skeleton.layout import load_layout
from kinegraph.training import loop
from tests.foreign import projects

OLD = ["stgcn_80e_ntu60_xsub_keypoint", "stgcn_80e_ntu60_xsub_keypoint_3d", "2sagcn_80e_ntu60_xsub_keypoint_3d"]
OLD += ["2sagcn_80e_ntu60_xsub_bone_3d", *(f"stgcn_80e_babel{n}{loss}" for n in (60, 120) for loss in ("", "_wfl"))]
SHORT = ["--epochs", "1", "--repeat", "1", "--accelerator", "cpu", "--no-report"]  # options of a training
FEATURES = ("j", "b", "jm", "bm")
NEW = [("stgcn", True), ("stgcn", False), ("stgcnpp", True), ("stgcnpp", False), ("ctrgcn", False)]
NEW += [("2s-agcn", False), ("aagcn", True), ("msg3d", True)]
VARIANTS = {
    **{f"0.x {name}": projects.mmaction0(name) for name in OLD},
    **{f"1.x {net} {flat} {it}": projects.mmaction1(net, it, flat) for net, flat in NEW for it in FEATURES},
    **{f"1.x 120 {it}": projects.mmaction1("stgcn", it, False, classes=120) for it in FEATURES},
    **{
        f"pyskl {net} {flat} {split}": projects.pyskl(net, "j", flat, split)
        for net, flat in NEW
        for split in ("xsub", "xview")
    },
    **{f"pyskl xset {it}": projects.pyskl("stgcnpp", it, True, "xset", 120) for it in FEATURES},
    "pyskl strong": projects.pyskl("stgcnpp", "j", False, strong=True),
    **{f"vanilla {it}": projects.vanilla(it) for it in FEATURES},
    **{f"{net} {it}": projects.dense(net, it) for net in ("DGSTGCN", "ProtoGCN") for it in ("j", "bm")},
    "ProtoGCN k": projects.dense("ProtoGCN", "k", more="dict(type='Part_Drop'), "),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(text: str, folder) -> dict:
    """What a config says, as our YAML would be read."""
    (folder / "config.py").write_text(text)
    recipe = read_foreign(folder / "config.py")
    assert recipe.refused == []
    return yaml.safe_load(as_yaml(recipe, "data"))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_translated_and_its_options_are_ours(name, place):
    (place / "config.py").write_text(VARIANTS[name])
    recipe = read_foreign(place / "config.py")
    assert recipe.refused == []
    (place / "ours.yaml").write_text(as_yaml(recipe, "data") + "split: xsub\n")
    ours = read_config(train, place / "ours.yaml")
    assert ours.epochs == recipe.get("epochs")
    assert recipe.classes == (120 if "120" in name or "xset" in name else 60)
    assert {"train", "val", "test"} == set(recipe.parts)
    assert all(said.origin for said in recipe.options.values())


def test_what_an_old_config_says(place):
    ours = options(VARIANTS["0.x stgcn_80e_ntu60_xsub_keypoint"], place)
    assert ours["model"] == {"class_path": "kinegraph.models.stgcn.STGCN"}
    assert (ours["partition"], "layout" in ours) == ("spatial", False)
    assert ours["preprocessing"] == {"people": 2, "normalize": "image_published", "sampling": "loop", "frames": 300}
    sgd = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0001, "nesterov": True}
    assert ours["optimizer"] == {"class_path": "torch.optim.SGD", "init_args": sgd}
    assert ours["schedule"] == {"kind": "step", "milestones": [10, 50]}
    assert (ours["epochs"], ours["batch_size"], ours["workers"], ours["validate"]) == (80, 16, 2, False)
    agcn = options(VARIANTS["0.x 2sagcn_80e_ntu60_xsub_bone_3d"], place)
    assert (agcn["model"]["class_path"], agcn["partition"]) == ("kinegraph.models.agcn.AGCN", "inward_outward")
    assert agcn["preprocessing"]["streams"] == ["bone"]
    babel = options(VARIANTS["0.x stgcn_80e_babel60_wfl"], place)
    assert babel["loss"]["class_path"].endswith("ClassBalancedFocalLoss")
    assert babel["loss"]["init_args"] == {"clips_of_class": projects.BABEL60}
    assert (babel["repeat"], babel["preprocessing"]["people"]) == (5, 1)


def test_what_a_new_config_says(place):
    ours = options(VARIANTS["1.x stgcnpp True bm"], place)
    assert ours["model"] == {"class_path": "kinegraph.models.stgcnpp.STGCNPP", "init_args": {"init": "mmaction1"}}
    assert (ours["layout"], ours["partition"], ours["repeat"]) == ("coco17_tree", "inward_outward", 5)
    uniform = {"sampling": "uniform", "frames": 100, "test_clips": 10}
    wanted = {"people": 2, "normalize": "image", "streams": ["bone_motion"], **uniform}
    assert ours["preprocessing"] == wanted
    assert (ours["schedule"], ours["epochs"], ours["validate"]) == ({"kind": "cosine"}, 16, True)
    hrnet = options(VARIANTS["pyskl stgcnpp True xsub"], place)
    its_own = {"sampling": "uniform_pyskl", "min_score": 0.01}  # PYSKL draws otherwise, and drops unsure joints
    assert hrnet["preprocessing"] == wanted | {"streams": ["joint"]} | its_own
    strong = options(VARIANTS["pyskl strong"], place)
    assert strong["preprocessing"]["augment"] == {"rotation": [0.3] * 3, "scale": 0.1}
    plain = options(VARIANTS["vanilla j"], place)
    assert plain["model"]["init_args"] == {"dropout": 0.5, "init": "pyskl"}
    assert (plain["preprocessing"]["sampling"], plain["partition"]) == ("pad", "spatial")
    assert plain["optimizer"]["init_args"]["nesterov"] is False  # it names none, and ours is true
    proto = options(VARIANTS["ProtoGCN k"], place)
    assert proto["model"]["init_args"] == {"prototypes": 400, "weight": 0.2}
    assert proto["preprocessing"] == uniform | {
        "people": 2,
        "normalize": "first_frame_centre",
        "streams": ["k_bone"],
        "sampling": "uniform_random_start",
        "augment": {"rotation": [0.2] * 3, "part_drop": 0.2},
    }


def changed(name: str, *changes: tuple[str, str]) -> str:
    text = VARIANTS[name]
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return text


def test_what_an_optimizer_leaves_out_is_as_torch_has_it(place):
    """Another class would keep the values of our default optimizer."""
    sgd = "type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0005, nesterov=True"
    for text, wanted in (
        ("type='Adam', lr=0.0005", {"lr": 0.0005, "weight_decay": 0}),
        ("type='AdamW'", {"lr": 0.001, "weight_decay": 0.01}),
        ("type='SGD', lr=0.1", {"lr": 0.1, "momentum": 0, "nesterov": False, "weight_decay": 0}),
    ):
        ours = options(changed("1.x stgcn True j", (sgd, text)), place)
        (place / "ours.yaml").write_text(yaml.safe_dump(ours | {"split": "xsub"}))
        read = vars(read_config(train, place / "ours.yaml").optimizer.init_args)
        assert wanted == {key: read[key] for key in wanted}, text


def test_smoothed_labels_only_where_the_project_has_them(place):
    """MMAction2 0.x and PYSKL smooth the labels of clips of several classes alone."""
    smooth = ("num_classes=60,", "num_classes=60, label_smooth_eps=0.1,")
    assert options(changed("1.x stgcn True j", smooth), place)["loss"]["init_args"] == {"label_smoothing": 0.1}
    for name in ("0.x stgcn_80e_ntu60_xsub_keypoint", "pyskl stgcn True xsub"):
        assert "loss" not in options(changed(name, smooth), place)
        assert any("label_smooth_eps has no effect" in line for line in read_foreign(place / "config.py").notes)


def test_protogcn_as_published(place):
    """Its files say Spatial_Flip, which exchanges joints, and box_thr without a valid_ratio."""
    flip = ("dict(type='Part_Drop')", "dict(type='Spatial_Flip', dataset='nturgb+d', p=0.5)")
    ours = options(changed("ProtoGCN k", flip), place)
    assert ours["preprocessing"]["augment"] == {"rotation": [0.2] * 3, "joint_flip": 0.5}
    (place / "config.py").write_text(changed("ProtoGCN k", flip, ("dataset='nturgb+d', p", "dataset='coco', p")))
    (line,) = read_foreign(place / "config.py").refused
    assert "Spatial_Flip is for joints of 'coco', the network has the joints ntu25" in line
    boxes = ("split='xsub_val'", "split='xsub_val', box_thr=0.5")
    options(changed("ProtoGCN k", boxes), place)
    recipe = read_foreign(place / "config.py")
    assert "box_threshold" not in recipe.dataset
    assert any("box_thr leaves out no skeleton" in line for line in recipe.notes)


def test_turning_by_joints_that_are_no_spine_is_refused(place):
    new, pyskl = "1.x stgcn False j", "pyskl stgcn False xsub"
    only = ("dict(type='PreNormalize3D')", "dict(type='PreNormalize3D', align_spine=False)")
    assert options(changed(pyskl, only), place)["preprocessing"]["normalize"] == "first_frame_centre"
    (place / "config.py").write_text(changed(new, only))  # there the shoulders are still turned
    (line,) = read_foreign(place / "config.py").refused
    assert "turns the spine or the shoulders only" in line
    other = (("layout='nturgb+d'", "layout='smpl24'"), ("dataset='nturgb+d'", "dataset='smpl24'"))
    (place / "config.py").write_text(changed(pyskl, *other))
    (line,) = read_foreign(place / "config.py").refused
    assert "joints (0, 1) and (8, 4), in smpl24 no spine and no shoulders; align_spine=False only centres" in line
    options(changed(pyskl, only, *other), place)
    (note,) = [it for it in read_foreign(place / "config.py").notes if "origin" in it]
    assert "there right_hand" in note  # the last of its joints


def test_a_type_may_name_its_library_and_a_value_the_environment(place, monkeypatch):
    monkeypatch.setenv("CLIPS", "/of/the/user.pkl")
    text = changed(
        "1.x stgcn True j", ("type='GCNHead'", "type='mmaction.GCNHead'"), ("type='SGD'", "type='mmengine.SGD'")
    )
    text = text.replace("'data/skeleton/ntu60_2d.pkl'", "os.environ.get('CLIPS', 'mine.pkl')")
    options(f"import os\nprint(str(dict(a=[1])), [2])\n{text}", place)
    recipe = read_foreign(place / "config.py")
    assert recipe.parts["train"].path == "mine.pkl"
    assert any("CLIPS of the environment is not read, its default is taken" in line for line in recipe.notes)
    (place / "config.py").write_text(f"import os\n{text}".replace(", 'mine.pkl'", ""))
    with pytest.raises(ValueError, match=r"config.py:\d+: CLIPS of the environment is not read; --cfg-options"):
        read_foreign(place / "config.py")
    (place / "config.py").write_text("import os\n" + text + "\nprint(model.pop('backbone'))\n")
    with pytest.raises(ValueError, match="is code"):
        read_foreign(place / "config.py")


def test_a_refused_setting_names_the_option_that_goes_on_without(place):
    text = changed(
        "1.x stgcn True j",
        ("clip_len=100)", "clip_len=100, keyframes=25)"),
        ("type='STGCN'", "type='STGCN', gcn_act='gelu'"),
    )
    (place / "config.py").write_text(text)
    refused = read_foreign(place / "config.py").refused
    assert len(refused) == 2
    cfg_options = [line.partition("--cfg-options ")[2].split(" ")[0] for line in refused]
    assert cfg_options[0] == "model.backbone.gcn_act=relu"
    assert read_foreign(place / "config.py", cfg_options).refused == []


OWN = "layout=dict(num_node=5, inward=[(1, 0), (2, 1), (3, 0), (4, 3)], center=0)"


def test_joints_that_a_config_spells_out(place, monkeypatch, capsys):
    """Its own joints, edges and centre are a layout, which trains; converted, it is a file beside the config."""
    monkeypatch.setattr(loop, "train_loader", lambda *args, **options: islice(train_loader(*args, **options), 2))
    text = changed("1.x stgcn True j", ("layout='coco'", OWN), ("dataset='coco', ", ""))
    (place / "config.py").write_text(text)
    projects.write_splits(place / "data/skeleton/ntu60_2d.pkl", 5, 2, 60)
    small = [
        "--batch-size",
        "2",
        *SHORT,
        "--workers",
        "0",
    ]
    words = ["--work-dir", "run", "--no-validate", "--log-every", "1", "--preprocessing.frames", "8", *small]
    assert main(["train", "config.py", *words]) == 0
    layout = load_weights(place / "run" / "checkpoints" / "last.safetensors").layout
    assert (layout.bones, layout.centre) == (((1, 0), (2, 1), (3, 0), (4, 3)), 0)
    assert main(["convert", "config.py", "out.yaml"]) == 0
    assert "--layout out_layout.yaml" in capsys.readouterr().out
    assert load_layout(place / "out_layout.yaml").bones == layout.bones
    (place / "config.py").write_text(text.replace("(3, 0), ", ""))
    (line,) = read_foreign(place / "config.py").refused
    assert "joint 'joint 3' is not connected to the centre" in line
    (place / "config.py").write_text(text.replace("feats=['j']", "dataset='coco', feats=['b']"))
    (line,) = read_foreign(place / "config.py").refused
    assert "GenSkeFeat is for joints of 'coco', the network has the joints config" in line


TRAINED = {
    "0.x stgcn_80e_ntu60_xsub_keypoint": ("lists", 17, 2),
    "0.x stgcn_80e_babel60_wfl": ("lists", 25, 3),
    "1.x stgcnpp True bm": ("data/skeleton/ntu60_2d.pkl", 17, 2),
    "pyskl stgcn False xview": ("data/nturgbd/ntu60_3danno.pkl", 25, 3),
}


@pytest.mark.parametrize("name", TRAINED)
def test_configs_train_and_are_tested_word_for_word(name, place, monkeypatch, capsys):
    """Two steps on clips of the config's own files, which become a dataset folder once; then the test.

    Behind the config, and the weights, there may be a number of GPUs, as dist_train.sh and dist_test.sh take it.
    """
    monkeypatch.setattr(loop, "train_loader", lambda *args, **options: islice(train_loader(*args, **options), 2))
    where, joints, channels = TRAINED[name]
    if where == "lists":
        babel = "babel" in name
        projects.write_lists(place, name.removeprefix("0.x "), joints, channels, 60, frames=20 if babel else None)
    else:
        projects.write_splits(place / where, joints, channels, 60)
    config = place / "configs" / "skeleton" / "theirs.py"
    config.parent.mkdir(parents=True)
    config.write_text(VARIANTS[name])
    words = [
        str(config),
        "1",
        "--work-dir",
        "run",
        "--validate",
        "--seed",
        "0",
        "--deterministic",
        "--launcher",
        "none",
    ]
    words += ["--cfg-options", "data.workers_per_gpu=0", "train_dataloader.num_workers=0"][: 2 + ("1.x" in name)]
    small = [
        "--batch-size",
        "1",
        *SHORT,
        "--log-every",
        "1",
        "--workers",
        "0",
    ]
    small += [] if "babel" in name else ["--preprocessing.frames", "8"]
    if "1.x" in name:
        words = [word for word in words if word != "data.workers_per_gpu=0"]
    assert main(["train", *words, *small]) == 0
    assert "clips of data/" in capsys.readouterr().out  # read
    weights = load_weights(place / "run" / "checkpoints" / "last.safetensors")
    assert len(weights.class_names) == 60
    assert weights.preprocessing["frames"] == (20 if "babel" in name else 8)
    log = [json.loads(line) for line in (place / "run" / "log.jsonl").read_text().splitlines()]
    assert [it["mode"] for it in log].count("val") == 1
    last = "run/checkpoints/last.safetensors"
    tested = [
        str(config),
        last,
        "1",
        "--eval",
        "top_k_accuracy",
        "mean_class_accuracy",
        "--out",
        "result.pkl",
        "--gpu-collect",
        "--work-dir",
        "elsewhere",
        "--compile",
    ]
    assert main(["test", *tested]) == 0
    said = capsys.readouterr().out
    assert "clips of data/" not in said  # the folder was there
    assert "dataset folder: data/" in said
    assert (place / "result.pkl").is_file()


def test_a_missing_file_is_one_line_with_the_place_and_the_option(place, capsys):
    (place / "config.py").write_text(projects.pyskl("stgcnpp", "j", False))
    (place / "data" / "nturgbd").mkdir(parents=True)
    (place / "data" / "nturgbd" / "ntu60_3dano.pkl").touch()
    assert main(["train", "config.py", "--work-dir", "run"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for part in (
        "data/nturgbd/ntu60_3danno.pkl is not there",
        str(place),
        "did you mean 'ntu60_3dano.pkl'",
        "--dataset",
    ):
        assert part in error
    assert "--cfg-options data.train.dataset.ann_file=FILE" in error
    assert sorted(it.name for it in place.iterdir()) == ["config.py", "data"]


def test_an_address_is_no_file(place, capsys):
    """Published weights are often named by their address."""
    for words in (["convert", "https://a.org/a.pth", "out.safetensors"], ["inspect", "https://a.org/a.safetensors"]):
        assert main(words) == 2
        assert "addresses are not read: fetch the file first" in capsys.readouterr().err


EMA = "custom_hooks = [dict(type='EMAHook')]\n"


def test_all_that_cannot_be_honoured_is_listed_before_anything_starts(place, capsys):
    (place / "config.py").write_text(projects.heatmaps())
    assert main(["train", "config.py"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2  # of a network that is not here no more is said
    assert "config.py:3: model 'Recognizer3D' with 'ResNet3dSlowOnly' is not here" in lines[0]
    ours = projects.mmaction1("stgcn", "j", False)
    (place / "config.py").write_text(ours.replace("type='PoseDecode'", "type='PoseCompact'") + EMA)
    assert main(["train", "config.py"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all(any(part in line for line in lines) for part in ("PoseCompact", "EMAHook"))
    assert all(line.startswith("not honoured: config.py:") for line in lines[:-1])
    assert "asks for" in lines[-1]
    (place / "config.py").write_text(projects.heatmaps())
    assert main(["convert", "config.py", "out.yaml"]) == 2
    assert not (place / "out.yaml").exists()


def test_convert_writes_the_rest_with_the_line_of_each_value(place, capsys):
    text = projects.pyskl("stgcn", "b", True).replace(
        "dict(type='PoseDecode')", "dict(type='Mystery'), dict(type='PoseDecode')"
    )
    (place / "config.py").write_text(text)
    assert main(["convert", "config.py", "out.yaml"]) == 0
    assert "not honoured: config.py:12: the transform 'Mystery' is not here" in capsys.readouterr().out
    written = (place / "out.yaml").read_text()
    assert "# not honoured: config.py:12: the transform 'Mystery'" in written
    lines = text.splitlines()
    for ours, theirs in (("batch_size: 16", "videos_per_gpu=16"), ("streams: [bone]", "feats=['b']")):
        line = next(line for line in written.splitlines() if line.strip().startswith(ours))
        assert theirs in lines[int(line.partition("# line ")[2].split(" ")[0].rstrip(":")) - 1]
    assert str(read_config(train, place / "out.yaml").split) == "xsub"
    assert main(["convert", "config.py", "out.yaml"]) == 2  # it is there


JUNK = (
    "None",
    "-1",
    "'x'",
    "[]",
    "dict()",
    "1.5",
    "[dict(a=1)]",
    "0",
    "dict(type='A')",
    "[[1]]",
    "(1,)",
    "1e308",
    "10**9",
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(VARIANTS)), place_of=st.integers(0, 500), junk=st.sampled_from(JUNK))
def test_a_value_of_another_kind_is_refused_or_read_and_never_breaks(place, name, place_of, junk):
    tree = ast.parse(VARIANTS[name])
    settable = [node for node in ast.walk(tree) if isinstance(node, ast.keyword | ast.Assign)]
    settable[place_of % len(settable)].value = ast.parse(junk, mode="eval").body
    (place / "config.py").write_text(ast.unparse(tree))
    with suppress(ValueError):  # one line; anything else would be a traceback
        recipe = read_foreign(place / "config.py")
        assert all("\n" not in line for line in recipe.refused)
        if not recipe.refused:
            (place / "ours.yaml").write_text(as_yaml(recipe, "data") + "split: xsub\n")
            read_config(train, place / "ours.yaml")
