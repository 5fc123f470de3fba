"""All published skeleton-GCN configs, made again: a sample of them is built; and what real files have besides."""

import pytest

from kinegraph.foreign.read import read_foreign
from tests.foreign import projects
from tests.foreign.every_config import build, kind_of, with_20_joints, write_configs


def test_one_config_of_each_kind_is_translated_and_built(tmp_path):
    """`python -m tests.foreign.every_config FOLDER` does all."""
    configs = write_configs(tmp_path)
    assert len(configs) == 268
    sample = {kind_of(path, tmp_path): path for path in configs}
    assert len(sample) == 19
    for path in sample.values():
        recipe = read_foreign(path)
        assert recipe.refused == []
        build(recipe, tmp_path)


@pytest.mark.parametrize("stream", ["j", "b", "k", "jm", "bm", "km"])
def test_configs_of_20_joints_are_read(stream, tmp_path):
    (tmp_path / "config.py").write_text(with_20_joints("finegym", stream, 99))
    recipe = read_foreign(tmp_path / "config.py")
    assert recipe.refused == []
    assert (recipe.dataset["layout"], recipe.get("preprocessing.normalize")) == ("coco20", "none")
    assert recipe.get("preprocessing.augment.mirror") == 0.5
    assert recipe.get("preprocessing.motion_between") == ("chosen" if stream.endswith("m") else None)
    assert build(recipe, tmp_path).contrast.describe.in_features == 400


def test_joints_of_a_config_that_its_network_does_not_have(tmp_path):
    text = with_20_joints("finegym", "j", 99).replace("graph = 'coco_new'", "graph = 'coco'")
    (tmp_path / "config.py").write_text(text)
    assert any("Kinetics_Transform makes the joints" in line for line in read_foreign(tmp_path / "config.py").refused)


OLD, NEW = projects.pyskl("stgcnpp", "j", False), projects.mmaction1("stgcn", "j", False)
REFUSED = [
    (NEW, "data_preprocessor=dict(blending=dict(type='MixupBlending'))", "model", "'blending' is not known here"),
    (OLD, "train_cfg=dict(aux_info=[])", "model", "aux_info not known here; --cfg-options model.train_cfg=None"),
    (OLD, "test_cfg=dict(feature_extraction=True)", "model", "'feature_extraction' is not known here"),
    (
        OLD,
        "optimizer_config = dict(type='GradientCumulativeOptimizerHook', cumulative_iters=4)",
        "",
        "cumulative_iters",
    ),
    (NEW, "custom_hooks = [dict(type='SyncNormHook')]", "", "custom_hooks=[] does without"),
    (NEW, "train_dataloader.update(sampler=dict(type='ClassBalancedSampler'))", "", "ClassBalancedSampler"),
    (NEW, "train_dataloader.update(drop_last=True)", "", "drop_last is True, here it is always False"),
    (OLD, "data.update(train_dataloader=dict(shuffle=False))", "", "shuffle is False, here it is always True"),
    (NEW, "train_cfg = dict(type='IterBasedTrainLoop', max_iters=100)", "", "counted in epochs here"),
    (
        OLD,
        "data['train']['dataset'].update(class_prob=[1, 2])",
        "",
        "--cfg-options data.train.dataset.class_prob=None goes on",
    ),
]


@pytest.mark.parametrize(("text", "more", "into", "said"), REFUSED)
def test_what_would_change_the_weights_is_refused_by_name(text, more, into, said, tmp_path):
    more = f"model.update({more})" if into else more
    (tmp_path / "config.py").write_text(f"{text}\n{more}\n")
    refused = read_foreign(tmp_path / "config.py").refused
    assert any(said in line for line in refused)
    assert any(line.startswith("config.py:") for line in refused)


def test_what_a_run_of_theirs_wrote_down_is_read(tmp_path):
    """The config that their training leaves in its folder has more keys than the one it was given."""
    (tmp_path / "old.py").write_text(f"""{OLD}
gpu_ids = range(0, 8)
seed = 7
auto_resume = False
dist_params = dict(backend='nccl')
fp16 = dict(loss_scale=512.0)
data['train']['dataset'].update(memcached=True, mc_cfg=('localhost', 22077))
model['test_cfg'] = dict(average_clips='prob', max_testing_views=10)
evaluation.update(save_best='top1_acc', key_indicator='top1_acc', topk=(1, 5))
""")
    recipe = read_foreign(tmp_path / "old.py")
    assert recipe.refused == []
    assert recipe.get("precision") == "16-mixed"
    assert recipe.get("seed") is None  # their command line alone says it
    (tmp_path / "new.py").write_text(f"""{NEW}
launcher = 'pytorch'
work_dir = 'work_dirs/x'
randomness = dict(seed=3, diff_rank_seed=False, deterministic=True)
resume = True
test_evaluator = [dict(type='AccMetric'), dict(type='DumpResults', out_file_path='result.pkl')]
visualizer = dict(type='ActionVisualizer', vis_backends=[dict(type='LocalVisBackend')])
optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic', clip_grad=dict(max_norm=40, norm_type=2))
auto_scale_lr = dict(enable=True, base_batch_size=128)
""")
    recipe = read_foreign(tmp_path / "new.py")
    assert recipe.refused == []
    wanted = {"seed": 3, "deterministic": True, "precision": "16-mixed", "clip_gradients": 40.0, "base_batch_size": 128}
    assert {key: recipe.get(key) for key in wanted} == wanted
    assert any("--work-dir RUN --resume" in note for note in recipe.notes)


def test_layouts_of_ours_graphs_of_another_number_and_a_cosine_that_rises(tmp_path):
    text = (
        projects.dense("DGSTGCN", "b")
        .replace("GenSkeFeat', ", "GenSkeFeat', dataset='kinect32', ")
        .replace("'nturgb+d'", "'kinect32'")
        .replace("num_filter=8", "num_filter=4")
    )
    (tmp_path / "dense.py").write_text(text)
    recipe = read_foreign(tmp_path / "dense.py")
    assert recipe.refused == []
    assert (recipe.dataset["layout"], recipe.get("model.init_args.partitions")) == ("kinect32", 4)
    assert any("joints and edges are those of our layout 'kinect32'" in note for note in recipe.notes)
    (tmp_path / "cosine.py").write_text(f"{NEW}\nparam_scheduler[0].update(T_max=4)\n")
    recipe = read_foreign(tmp_path / "cosine.py")
    assert (recipe.refused, recipe.get("schedule.period")) == ([], 4)
    assert any("ends in epoch 4 of 16 and rises again" in note for note in recipe.notes)
