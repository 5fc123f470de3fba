"""What files of the projects have that were really published, each in words of our own."""

import pickle

import pytest

from kinegraph.cli import main
from kinegraph.commands.foreign_config import foreign_words
from kinegraph.data.dataset import open_dataset
from kinegraph.foreign.clips import open_clips
from kinegraph.foreign.read import read_foreign
from kinegraph.skeleton.layout import load_layout
from tests.foreign import projects

OLD, NEW = projects.pyskl("stgcnpp", "j", False), projects.mmaction1("stgcn", "j", False)
FLAT = projects.pyskl("stgcnpp", "b", True)


@pytest.fixture
def read(tmp_path):
    def of(text, *more):
        (tmp_path / "config.py").write_text("\n".join((text, *more)))
        return read_foreign(tmp_path / "config.py")

    return of


def test_the_backbone_tells_a_config_between_0_x_and_1_x(read):
    """For a while the networks of 0.x stood in a recognizer of 1.x, the clipping among the hooks."""
    recipe = read(
        NEW,
        "model['backbone'] = dict(type='STGCN', in_channels=3, edge_importance_weighting=True,",
        "    graph_cfg=dict(layout='ntu-rgb+d', strategy='uniform'))",
        "model['cls_head'].update(num_person=2)",
        "del optim_wrapper",
        "optimizer = dict(type='SGD', lr=0.07, momentum=0.9)",
        "default_hooks = dict(optimizer=dict(type='OptimizerHook', grad_clip=dict(max_norm=30)))",
    )
    assert recipe.refused == []
    older = read(projects.mmaction0("stgcn_80e_ntu60_xsub_keypoint_3d")).get("model.init_args.init")
    wanted = {"model.init_args.init": older, "partition": "uniform", "clip_gradients": 30.0}
    wanted |= {"optimizer.init_args.lr": 0.07, "optimizer.init_args.nesterov": False}
    assert {key: recipe.get(key) for key in wanted} == wanted


def test_settings_of_blocks_may_stand_apart(read):
    settings = "gcn_adaptive='init', gcn_with_res=True, tcn_type='mstcn'"
    apart = read(OLD.replace(settings, f"stage_cfgs=dict({settings})"))
    assert (apart.refused, apart.get("model.class_path")) == ([], read(OLD).get("model.class_path"))
    assert read(OLD.replace(f"{settings}, ", "")).get("model.class_path") != apart.get("model.class_path")


@pytest.mark.parametrize("start", ["pretrained='a.pth'", "init_cfg=dict(type='Pretrained', checkpoint='a.pth')"])
def test_weights_of_a_backbone_are_what_training_starts_from(start, read):
    assert read(NEW, f"model['backbone'].update({start})").get("init_from") == "a.pth"


def test_dropout_of_a_head(read):
    assert read(OLD, "model['cls_head'].update(dropout=0.4)").get("head_dropout") == 0.4


def test_joints_that_are_spelt_out_are_known_by_their_edges(read):
    tree = [(3, 1), (1, 0), (4, 2), (2, 0), (5, 0), (6, 0), (7, 5), (8, 6), (9, 7), (10, 8), (11, 5), (12, 6)]
    tree += [(13, 11), (14, 12), (15, 13), (16, 14)]
    flat = projects.mmaction1("stgcn", "j", True)
    layout = "model['backbone']['graph_cfg']['layout'] = dict(num_node=17, center=0, inward={})"
    assert read(flat, layout.format(tree)).dataset == read(flat).dataset
    (refused,) = read(flat, layout.format(tree[1:])).refused
    assert "joint 'joint 3' is not connected to the centre 'joint 0' by bones; edges in inward lead" in refused


@pytest.mark.parametrize(("said", "size"), [("", (1920, 1080)), ("img_shape=(480, 640)", (640, 480))])
def test_pictures_of_no_known_size_are_as_large_as_theirs(said, size, read, tmp_path):
    recipe = read(FLAT.replace("type='PreNormalize2D'", f"type='PreNormalize2D', {said}"))
    items = projects.annotations(17, 2, 4, 60)
    del items[0]["img_shape"]
    split = {"xsub_train": ["000", "001"], "xsub_val": ["002", "003"]}
    path = tmp_path / recipe.parts["train"].path
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps({"split": split, "annotations": items}))
    clips = open_clips(recipe, ["train"])
    assert [it.image_size for it in open_dataset(clips.path)] == [size, *[(1920, 1080)] * 3]
    assert f"assumed: pictures of {size[0]}x{size[1]} in 1 clip, as PreNormalize2D does" in clips.said


@pytest.mark.parametrize("channels", [2, 3])
def test_channels_that_the_clips_do_not_have_are_said(channels, read, tmp_path, capsys):
    """A config of two channels was for clips without scores."""
    recipe = read(FLAT, f"model['backbone']['in_channels'] = {channels}")
    path = tmp_path / recipe.parts["train"].path
    path.parent.mkdir(parents=True)
    split = {"xsub_train": ["000", "001"], "xsub_val": ["002", "003"]}
    path.write_bytes(pickle.dumps({"split": split, "annotations": projects.annotations(17, 2, 4, 60)}))
    foreign_words("train", [str(recipe.path)])
    said = "note: in_channels is 2 in the config, the clips have 3, one of them the score, which the network takes"
    assert (said in capsys.readouterr().out) == (channels == 2)


FLIPPED = f"train_pipeline.insert(2, dict(type='Flip', left_kp={projects.LEFT}, right_kp={projects.RIGHT}))"
OTHER = FLAT.replace("'coco'", "'openpose'")
IN_SILENCE = [
    (FLAT, FLIPPED, "Flip behind PreNormalize2D or GenSkeFeat"),
    (OTHER, FLIPPED, "Flip exchanges joints that are no left and right of openpose18"),
    (OLD, "train_pipeline[0] = dict(type='PreNormalize2D')", "PreNormalize2D on joints in 3D takes them for pixels"),
    (
        FLAT,
        "train_pipeline[1].update(dataset='nturgb+d')",
        "GenSkeFeat is for joints of 'nturgb+d', the network has the joints coco17",
    ),
    (OLD, "lr_config = dict(policy='step', step=[100], by_epoch=False)", "counted in epochs here"),
]


@pytest.mark.parametrize(("text", "more", "said"), IN_SILENCE)
def test_what_means_something_else_there_is_refused(text, more, said, read):
    more += "\ndata['train']['dataset'].update(pipeline=train_pipeline)"
    assert any(said in line for line in read(text, more).refused)


def test_a_mirror_of_other_joints_than_those_of_coco(read):
    left, right = zip(*load_layout("openpose18").mirror, strict=True)
    flip = f"train_pipeline.insert(0, dict(type='Flip', left_kp={[*left]}, right_kp={[*right]}))"
    recipe = read(OTHER, flip, "data['train']['dataset'].update(pipeline=train_pipeline)")
    assert (recipe.refused, recipe.get("preprocessing.augment.mirror")) == ([], 0.5)


def test_augmentation_in_testing_is_said(read):
    more = "test_pipeline.insert(1, dict(type='RandomScale', scale=0.2))\ndata['test'].update(pipeline=test_pipeline)"
    assert any("RandomScale varies clips in testing too there" in note for note in read(OLD, more).notes)


def test_schedules_in_steps(read):
    warm = "warmup='linear', warmup_iters=500, warmup_ratio=0.001"
    recipe = read(OLD, f"lr_config = dict(policy='CosineAnnealing', min_lr=0.001, by_epoch=False, {warm})")
    lowest = 0.001 / recipe.get("optimizer.init_args.lr")
    assert (recipe.get("schedule.warmup_steps"), recipe.get("schedule.floor")) == (500, lowest)
    assert any("the cosine begins after the rise here" in note for note in recipe.notes)
    recipe = read(OLD, "lr_config = dict(policy='step', step=5)", "total_epochs = 16")
    assert recipe.get("schedule.milestones") == [5, 10, 15]  # mmcv: a number means each time after so many
    rise = "dict(type='LinearLR', start_factor=0.01, begin=0, end=4, by_epoch=True)"
    fall = "dict(type='CosineAnnealingLR', begin=4, T_max=12, eta_min_ratio=0.1, by_epoch=True)"
    recipe = read(NEW, f"train_cfg = dict(max_epochs=16)\nparam_scheduler = [{rise}, {fall}]")
    assert (recipe.get("schedule.warmup"), recipe.get("schedule.floor")) == (0.25, 0.1)


def test_early_stopping(read):
    hook = "default_hooks['stop'] = dict(type='EarlyStoppingHook', monitor='acc/top1', patience=4, min_delta=0)"
    recipe = read(NEW, "default_hooks = dict()", hook, "train_cfg['val_interval'] = 2")
    assert (recipe.refused, recipe.get("early_stop")) == ([], 8)


def test_an_average_of_the_weights(read):
    recipe = read(NEW, "custom_hooks = [dict(type='EMAHook', momentum=0.002, update_buffers=True)]")
    assert (recipe.refused, recipe.get("ema")) == ([], 0.998)
    assert not any("statistics of norms" in note for note in recipe.notes)
    recipe = read(
        NEW, "custom_hooks = [dict(type='mmengine.EMAHook', ema_type='StochasticWeightAverage', begin_epoch=2)]"
    )
    assert [line.split(";")[0].partition("the hook: ")[2] for line in recipe.refused] == [
        "ema_type is 'StochasticWeightAverage', here it is always 'ExponentialMovingAverage'",
        "begin_epoch is 2, here it is always 0",
    ]


def test_figures_that_say_which_weights_are_best_and_when_they_are_taken(read):
    recipe = read(
        OLD, "evaluation = dict(interval=2, metrics=['mean_class_accuracy'], save_best='mean_class_accuracy')"
    )
    assert (recipe.refused, recipe.get("monitor")) == ([], "mean_class_accuracy")
    recipe = read(NEW, "default_hooks = dict(checkpoint=dict(type='CheckpointHook', save_best='acc/top5'))")
    assert any("save_best 'acc/top5': here top1 says which weights are the best" in note for note in recipe.notes)
    before = read(NEW, "train_cfg = dict(by_epoch=True, max_epochs=16)", "val_cfg = dict(interval=5)")
    assert (before.refused, before.get("validate_every")) == ([], 5)


PASSED_OVER = [
    (NEW, "train_dataloader['dataset']['dataset']['pipeline'][2].update(test_mode=True)", "test_mode is True, here"),
    (NEW, "val_dataloader.update(drop_last=True)", "val_dataloader: drop_last is True"),
    (NEW, "default_hooks = dict(ema=dict(momentum=0.1))", "default_hooks: 'ema' is not known here"),
    (OLD, "optimizer.update(layer_decay=0.9)", "the optimizer: 'layer_decay' is not known here"),
    (OLD, "optimizer_config = 7", "'optimizer_config' is not read here"),
    (OLD, "model['cls_head'].update(weight=0.2)", "'model.cls_head.weight' is not read here"),
]


@pytest.mark.parametrize(("text", "more", "said"), PASSED_OVER)
def test_what_was_passed_over_once_is_refused(text, more, said, read):
    (refused,) = read(text, more).refused
    assert said in refused


def test_a_config_of_a_test_alone(read):
    recipe = read(OLD, "data = dict(videos_per_gpu=8, test=data['test'])")
    (refused,) = recipe.refused
    assert "there is no dataset to train on" in refused
    assert recipe.for_test(recipe.refused) == []
    assert recipe.test_options()["preprocessing.test_clips"].value == 10


def test_a_config_without_data_is_one_line(read):
    config = read(NEW).path.read_text()
    model = config[config.index("model =") : config.index("dataset_type")]
    (refused,) = read(model).refused
    assert "a config to answer with, not to train" in refused


def test_decisions_and_imported_values(read):
    recipe = read(
        "import os",
        OLD,
        "big = True",
        "if big and 1 < 2:\n    total_epochs = 9\nelse:\n    total_epochs = 3",
        "print(total_epochs)",
        "work_dir = os.environ['RUNS']",
    )
    assert (recipe.refused, recipe.get("epochs"), recipe.work_dir) == ([], 9, None)
    assert any("no import is followed; --work-dir names it" in note for note in recipe.notes)
    for unknown in ("int(os.environ['EPOCHS'])", "3 if os.name == 'nt' else 9", "len(os.sep)", "os.nice or 9"):
        with pytest.raises(ValueError, match="has no value here, no import is followed"):
            read("import os", OLD, f"total_epochs = {unknown}")
    recipe = read("import os", OLD, "total_epochs = os.EPOCHS")
    assert any("total_epochs is 'os.EPOCHS'" in line for line in recipe.refused)


@pytest.mark.parametrize(
    ("lists", "tested"), [(("train", "validation", "test"), "test"), (("train", "validation", "validation"), None)]
)
def test_a_test_is_of_the_list_that_the_config_names(lists, tested, read, tmp_path):
    """Of three lists of any names the third is tested, not that of the validation; one list under two names is one."""
    train, val, test = lists
    text = FLAT.replace("split='xsub_train'", f"split='{train}'")
    recipe = read(text, f"data['val']['split'] = '{val}'", f"data['test']['split'] = '{test}'")
    path = tmp_path / recipe.parts["train"].path
    path.parent.mkdir(parents=True)
    split = {"train": ["000", "001"], "validation": ["002", "003"], "test": ["003", "004"]}
    path.write_bytes(pickle.dumps({"split": split, "annotations": projects.annotations(17, 2, 5, 60)}))
    clips = open_clips(recipe, ["test"])
    assert clips.part == tested
    dataset = open_dataset(clips.path)
    parts = [it.splits[clips.split] for it in dataset]
    assert dict(zip([it.name for it in dataset], parts, strict=True)) == {
        "000": "train",
        "001": "train",
        "002": "val",
        "003": "val",
        **({"003 (test)": "test", "004": "test"} if tested else {"004": "none"}),
    }


def test_scores_are_not_averaged(tmp_path, capsys):
    (tmp_path / "config.py").write_text(FLAT)
    assert main(["test", str(tmp_path / "config.py"), "a.pth", "--average-clips", "score"]) == 2
    assert "--average-clips score: here probabilities are averaged" in capsys.readouterr().err


def test_what_validation_and_training_look_at(read):
    """A training sees a clip once at a step; a validation prepares as a test does, which is said where it matters."""
    assert not any("validation prepares" in line for line in read(NEW).notes)
    recipe = read(NEW, "val_dataloader['dataset']['pipeline'][2] = dict(type='UniformSampleFrames', clip_len=64)")
    assert sum("validation prepares clips as a test does here; frames differs there" in it for it in recipe.notes) == 1
    (refused,) = read(NEW, "train_dataloader['dataset']['dataset']['pipeline'][2].update(num_clips=4)").refused
    assert "num_clips is 4 in training, where a clip is seen once at a step here" in refused


def test_more_schedules_and_names(read):
    steps = "param_scheduler = [dict(type='StepLR', step_size=5, gamma=0.2, begin=0, end=16)]"
    recipe = read(NEW, steps, "train_dataloader['dataset']['dataset'].update(lazy_init=True)")
    assert recipe.refused == []
    assert (recipe.get("schedule.milestones"), recipe.get("schedule.gamma")) == ([5, 10, 15], 0.2)
    for rate, said in (
        ("type='MultiStepLR', by_epoch=False, milestones=[900]", "MultiStepLR counts steps with by_epoch=False"),
        ("type='CosineAnnealingLR', by_epoch=False, T_max=900", "CosineAnnealingLR counts steps with by_epoch=False"),
        ("type='CosineAnnealingLR', T_max=10, end=10", "stays from epoch 10 of 16 on, here the cosine goes on"),
    ):
        (refused,) = read(NEW, f"param_scheduler = [dict({rate})]").refused
        assert said in refused
    warm = "dict(type='LinearLR', by_epoch=False, begin=0, end=500)"
    recipe = read(NEW, f"param_scheduler = [{warm}, dict(type='CosineAnnealingLR', by_epoch=False, begin=500)]")
    assert (recipe.refused, recipe.get("schedule.warmup_steps"), recipe.get("schedule.period")) == ([], 500, None)
    (refused,) = read(NEW, "param_scheduler = [dict(type='PolyLR', power=0.9)]").refused
    assert "the scheduler 'PolyLR' is not here, only MultiStepLR, StepLR, CosineAnnealingLR" in refused
    (refused,) = read(NEW, "model['backbone']['graph_cfg']['layout'] = 'mediapipe'").refused
    assert "did you mean 'blazepose33'?" in refused
