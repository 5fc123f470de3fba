"""Configs of MMAction2, PYSKL and ProtoGCN: what each says in our words."""

import ast
from contextlib import suppress

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinegraph.commands.arguments import read_config
from kinegraph.commands.train import train
from kinegraph.foreign.read import read_foreign
from kinegraph.foreign.recipe import as_yaml
from tests.foreign import projects


def options(text: str, folder) -> dict:
    """What a config says, as our YAML would be read."""
    (folder / "config.py").write_text(text)
    recipe = read_foreign(folder / "config.py")
    assert recipe.refused == []
    return yaml.safe_load(as_yaml(recipe, "data"))


@pytest.mark.parametrize("name", projects.VARIANTS)
def test_every_variant_is_translated_and_its_options_are_ours(name, place):
    (place / "config.py").write_text(projects.VARIANTS[name])
    recipe = read_foreign(place / "config.py")
    assert recipe.refused == []
    (place / "ours.yaml").write_text(as_yaml(recipe, "data") + "split: xsub\n")
    ours = read_config(train, place / "ours.yaml")
    assert ours.epochs == recipe.get("epochs")
    assert recipe.classes == (120 if "120" in name or "xset" in name else 60)
    assert {"train", "val", "test"} == set(recipe.parts)
    assert all(said.origin for said in recipe.options.values())


def test_what_an_old_config_says(place):
    ours = options(projects.VARIANTS["0.x stgcn_80e_ntu60_xsub_keypoint"], place)
    assert ours["model"] == {"class_path": "kinegraph.models.stgcn.STGCN"}
    assert (ours["partition"], "layout" in ours) == ("spatial", False)
    assert ours["preprocessing"] == {"people": 2, "normalize": "image_published", "sampling": "loop", "frames": 300}
    sgd = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0001, "nesterov": True}
    assert ours["optimizer"] == {"class_path": "torch.optim.SGD", "init_args": sgd}
    assert ours["schedule"] == {"kind": "step", "milestones": [10, 50]}
    assert (ours["epochs"], ours["batch_size"], ours["workers"], ours["validate"]) == (80, 16, 2, False)
    agcn = options(projects.VARIANTS["0.x 2sagcn_80e_ntu60_xsub_bone_3d"], place)
    assert (agcn["model"]["class_path"], agcn["partition"]) == ("kinegraph.models.agcn.AGCN", "inward_outward")
    assert agcn["preprocessing"]["streams"] == ["bone"]
    babel = options(projects.VARIANTS["0.x stgcn_80e_babel60_wfl"], place)
    assert babel["loss"]["class_path"].endswith("ClassBalancedFocalLoss")
    assert babel["loss"]["init_args"] == {"clips_of_class": projects.BABEL60}
    assert (babel["repeat"], babel["preprocessing"]["people"]) == (5, 1)


def test_what_a_new_config_says(place):
    ours = options(projects.VARIANTS["1.x stgcnpp True bm"], place)
    assert ours["model"] == {"class_path": "kinegraph.models.stgcnpp.STGCNPP", "init_args": {"init": "mmaction1"}}
    assert (ours["layout"], ours["partition"], ours["repeat"]) == ("coco17_tree", "inward_outward", 5)
    uniform = {"sampling": "uniform", "frames": 100, "test_clips": 10}
    wanted = {"people": 2, "normalize": "image", "streams": ["bone_motion"], **uniform}
    assert ours["preprocessing"] == wanted
    assert (ours["schedule"], ours["epochs"], ours["validate"]) == ({"kind": "cosine"}, 16, True)
    hrnet = options(projects.VARIANTS["pyskl stgcnpp True xsub"], place)
    its_own = {"sampling": "uniform_pyskl", "min_score": 0.01}  # PYSKL draws otherwise, and drops unsure joints
    assert hrnet["preprocessing"] == wanted | {"streams": ["joint"]} | its_own
    strong = options(projects.VARIANTS["pyskl strong"], place)
    assert strong["preprocessing"]["augment"] == {"rotation": [0.3] * 3, "scale": 0.1}
    plain = options(projects.VARIANTS["vanilla j"], place)
    assert plain["model"]["init_args"] == {"dropout": 0.5, "init": "pyskl"}
    assert (plain["preprocessing"]["sampling"], plain["partition"]) == ("pad", "spatial")
    assert plain["optimizer"]["init_args"]["nesterov"] is False  # it names none, and ours is true
    proto = options(projects.VARIANTS["ProtoGCN k"], place)
    assert proto["model"]["init_args"] == {"prototypes": 400, "weight": 0.2}
    assert proto["preprocessing"] == uniform | {
        "people": 2,
        "normalize": "first_frame_centre",
        "streams": ["k_bone"],
        "sampling": "uniform_random_start",
        "augment": {"rotation": [0.2] * 3, "part_drop": 0.2},
    }


def test_what_an_optimizer_leaves_out_is_as_torch_has_it(place):
    """Another class would keep the values of our default optimizer."""
    sgd = "type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0005, nesterov=True"
    for text, wanted in (
        ("type='Adam', lr=0.0005", {"lr": 0.0005, "weight_decay": 0}),
        ("type='AdamW'", {"lr": 0.001, "weight_decay": 0.01}),
        ("type='SGD', lr=0.1", {"lr": 0.1, "momentum": 0, "nesterov": False, "weight_decay": 0}),
    ):
        ours = options(projects.changed("1.x stgcn True j", (sgd, text)), place)
        (place / "ours.yaml").write_text(yaml.safe_dump(ours | {"split": "xsub"}))
        read = vars(read_config(train, place / "ours.yaml").optimizer.init_args)
        assert wanted == {key: read[key] for key in wanted}, text


def test_smoothed_labels_only_where_the_project_has_them(place):
    """MMAction2 0.x and PYSKL smooth the labels of clips of several classes alone."""
    smooth = ("num_classes=60,", "num_classes=60, label_smooth_eps=0.1,")
    assert options(projects.changed("1.x stgcn True j", smooth), place)["loss"]["init_args"] == {"label_smoothing": 0.1}
    for name in ("0.x stgcn_80e_ntu60_xsub_keypoint", "pyskl stgcn True xsub"):
        assert "loss" not in options(projects.changed(name, smooth), place)
        assert any("label_smooth_eps has no effect" in line for line in read_foreign(place / "config.py").notes)


def test_protogcn_as_published(place):
    """Its files say Spatial_Flip, which exchanges joints, and box_thr without a valid_ratio."""
    flip = ("dict(type='Part_Drop')", "dict(type='Spatial_Flip', dataset='nturgb+d', p=0.5)")
    ours = options(projects.changed("ProtoGCN k", flip), place)
    assert ours["preprocessing"]["augment"] == {"rotation": [0.2] * 3, "joint_flip": 0.5}
    (place / "config.py").write_text(
        projects.changed("ProtoGCN k", flip, ("dataset='nturgb+d', p", "dataset='coco', p"))
    )
    (line,) = read_foreign(place / "config.py").refused
    assert "Spatial_Flip is for joints of 'coco', the network has the joints ntu25" in line
    boxes = ("split='xsub_val'", "split='xsub_val', box_thr=0.5")
    options(projects.changed("ProtoGCN k", boxes), place)
    recipe = read_foreign(place / "config.py")
    assert "box_threshold" not in recipe.dataset
    assert any("box_thr leaves out no skeleton" in line for line in recipe.notes)


def test_turning_by_joints_that_are_no_spine_is_refused(place):
    new, pyskl = "1.x stgcn False j", "pyskl stgcn False xsub"
    only = ("dict(type='PreNormalize3D')", "dict(type='PreNormalize3D', align_spine=False)")
    assert options(projects.changed(pyskl, only), place)["preprocessing"]["normalize"] == "first_frame_centre"
    (place / "config.py").write_text(projects.changed(new, only))  # there the shoulders are still turned
    (line,) = read_foreign(place / "config.py").refused
    assert "turns the spine or the shoulders only" in line
    other = (("layout='nturgb+d'", "layout='smpl24'"), ("dataset='nturgb+d'", "dataset='smpl24'"))
    (place / "config.py").write_text(projects.changed(pyskl, *other))
    (line,) = read_foreign(place / "config.py").refused
    assert "joints (0, 1) and (8, 4), in smpl24 no spine and no shoulders; align_spine=False only centres" in line
    options(projects.changed(pyskl, only, *other), place)
    (note,) = [it for it in read_foreign(place / "config.py").notes if "origin" in it]
    assert "there right_hand" in note  # the last of its joints


def test_a_type_may_name_its_library_and_a_value_the_environment(place, monkeypatch):
    monkeypatch.setenv("CLIPS", "/of/the/user.pkl")
    text = projects.changed(
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
    text = projects.changed(
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
@given(name=st.sampled_from(sorted(projects.VARIANTS)), place_of=st.integers(0, 500), junk=st.sampled_from(JUNK))
def test_a_value_of_another_kind_is_refused_or_read_and_never_breaks(place, name, place_of, junk):
    tree = ast.parse(projects.VARIANTS[name])
    settable = [node for node in ast.walk(tree) if isinstance(node, ast.keyword | ast.Assign)]
    settable[place_of % len(settable)].value = ast.parse(junk, mode="eval").body
    (place / "config.py").write_text(ast.unparse(tree))
    with suppress(ValueError):  # one line; anything else would be a traceback
        recipe = read_foreign(place / "config.py")
        assert all("\n" not in line for line in recipe.refused)
        if not recipe.refused:
            (place / "ours.yaml").write_text(as_yaml(recipe, "data") + "split: xsub\n")
            read_config(train, place / "ours.yaml")
