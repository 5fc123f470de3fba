"""Configs as MMAction2 0.x, MMAction2 1.x, PYSKL and ProtoGCN write them, and annotations that they can be run on.

Written from the facts in docs/recipes.md and the projects' documentation: names of keys and transforms, and the values
of the published recipes.
"""

import pickle
from pathlib import Path

import numpy as np

BABEL60 = [518, 1993, 6260, 508, 208, 3006, 431, 724, 4527, 2131, 199, 1255, 487, 302, 136, 571, 267, 646, 1180, 405]
BABEL60 += [731, 842, 1619, 271, 1198, 1012, 865, 462, 526, 405, 487, 168, 271, 609, 503, 167, 415, 421, 283, 2069]
BABEL60 += [715, 196, 989, 122, 599, 396, 245, 380, 236, 260, 325, 133, 206, 191, 394, 145, 277, 268, 172, 146]
PACK = {
    "mmaction1": "dict(type='PackActionInputs')",
    "pyskl": "dict(type='Collect', keys=['keypoint', 'label'], meta_keys=[]), dict(type='ToTensor', keys=['keypoint'])",
}
LEFT, RIGHT = [1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]  # of COCO
NETWORKS = {
    "stgcn": "type='STGCN', graph_cfg=dict(layout='{layout}', mode='stgcn_spatial')",
    "stgcnpp": "type='STGCN', gcn_adaptive='init', gcn_with_res=True, tcn_type='mstcn', "
    "graph_cfg=dict(layout='{layout}', mode='spatial')",
    "2s-agcn": "type='AAGCN', graph_cfg=dict(layout='{layout}', mode='spatial'), gcn_attention=False",
    "aagcn": "type='AAGCN', graph_cfg=dict(layout='{layout}', mode='spatial')",
    "ctrgcn": "type='CTRGCN', graph_cfg=dict(layout='{layout}', mode='spatial')",
    "msg3d": "type='MSG3D', graph_cfg=dict(layout='{layout}', mode='binary_adj')",
}


def mmaction0(name: str) -> str:
    """One of the configs of configs/skeleton/stgcn and configs/skeleton/2s-agcn."""
    flat, babel, agcn = (
        "keypoint_3d" not in name and "babel" not in name and "3d" not in name,
        "babel" in name,
        "2s" in name,
    )
    classes = 120 if "120" in name else 60
    layout = "coco" if flat else "ntu-rgb+d"
    steps = [] if babel else ["dict(type='PaddingWithLoop', clip_len=300)"]
    steps += ["dict(type='PoseDecode')", *(["dict(type='JointToBone')"] if "bone" in name else [])]
    steps.append(f"dict(type='FormatGCNInput', input_format='NCTVM'{', num_person=1' if babel else ''})")
    steps += ["dict(type='PoseNormalize')"] if flat else []
    focal = (
        "dict(type='CBFocalLoss', samples_per_cls=samples_per_cls)"
        if "wfl" in name
        else "dict(type='CrossEntropyLoss')"
    )
    counts = BABEL60 * (classes // 60)
    train = "dict(type=dataset_type, ann_file=ann_file_train, data_prefix='', pipeline=train_pipeline)"
    train = f"dict(type='RepeatDataset', times=5, dataset={train})" if babel else train
    backbone = f"type='{'AGCN' if agcn else 'STGCN'}', in_channels=3, "
    backbone += "" if agcn else "edge_importance_weighting=True, "
    return f"""
samples_per_cls = {counts}
model = dict(
    type='SkeletonGCN',
    backbone=dict({backbone}graph_cfg=dict(layout='{layout}', strategy='{"agcn" if agcn else "spatial"}')),
    cls_head=dict(type='STGCNHead', num_classes={classes}, in_channels=256{", num_person=1" if babel else ""},
        loss_cls={focal}),
    train_cfg=None,
    test_cfg=None)
dataset_type = 'PoseDataset'
ann_file_train = 'data/{name}/xsub/train.pkl'
ann_file_val = 'data/{name}/xsub/val.pkl'
train_pipeline = [
    {", ".join(steps)},
    dict(type='Collect', keys=['keypoint', 'label'], meta_keys=[]),
    dict(type='ToTensor', keys=['keypoint'])
]
val_pipeline = test_pipeline = train_pipeline
data = dict(
    videos_per_gpu=16,
    workers_per_gpu=2,
    test_dataloader=dict(videos_per_gpu=1),
    train={train},
    val=dict(type=dataset_type, ann_file=ann_file_val, data_prefix='', pipeline=val_pipeline),
    test=dict(type=dataset_type, ann_file=ann_file_val, data_prefix='', pipeline=test_pipeline))
optimizer = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0001, nesterov=True)
optimizer_config = dict(grad_clip=None)
lr_config = dict(policy='step', step=[10, {14 if babel else 50}])
total_epochs = {16 if babel else 80}
checkpoint_config = dict(interval=5)
evaluation = dict(interval=5, metrics=['top_k_accuracy', 'mean_class_accuracy'])
log_config = dict(interval=100, hooks=[dict(type='TextLoggerHook')])
dist_params = dict(backend='nccl')
log_level = 'INFO'
work_dir = './work_dirs/{name}/'
load_from = None
resume_from = None
workflow = [('train', 1)]
"""


def steps(project: str, flat: bool, feature: str, clips: int, more: str = "", people: int = 2) -> str:
    """The pipeline of MMAction2 1.x and PYSKL for 100 frames."""
    uniform = "UniformSampleFrames" if project == "mmaction1" else "UniformSample"
    clipped = f", num_clips={clips}, test_mode=True" if clips else ""
    return f"""[
    dict(type='PreNormalize{"2D" if flat else "3D"}'),{more}
    dict(type='GenSkeFeat', dataset='{"coco" if flat else "nturgb+d"}', feats=['{feature}']),
    dict(type='{uniform}', clip_len=100{clipped}),
    dict(type='PoseDecode'),
    dict(type='FormatGCNInput', num_person={people}),
    {PACK[project]}
]"""


def model_text(network: str, flat: bool, classes: int) -> str:
    layout = "coco" if flat else "nturgb+d"
    width = 384 if network in ("msg3d", "protogcn") else 256
    return f"""dict(
    type='RecognizerGCN',
    backbone=dict({NETWORKS[network].format(layout=layout)}),
    cls_head=dict(type='GCNHead', num_classes={classes}, in_channels={width}))"""


def mmaction1(network: str, feature: str, flat: bool, classes: int = 60) -> str:
    pipelines = [steps("mmaction1", flat, feature, clips) for clips in (0, 1, 10)]
    loaders = "\n".join(
        f"""{part}_dataloader = dict(
    batch_size={1 if part == "test" else 16},
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type=dataset_type, ann_file=ann_file, pipeline={part}_pipeline, split='xsub_val', test_mode=True))"""
        for part in ("val", "test")
    )
    return f"""
_base_ = '../../_base_/default_runtime.py'
model = {model_text(network, flat, classes)}
dataset_type = 'PoseDataset'
ann_file = 'data/skeleton/ntu{classes}_{"2d" if flat else "3d"}.pkl'
train_pipeline = {pipelines[0]}
val_pipeline = {pipelines[1]}
test_pipeline = {pipelines[2]}
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='RepeatDataset',
        times=5,
        dataset=dict(type=dataset_type, ann_file=ann_file, pipeline=train_pipeline, split='xsub_train')))
{loaders}
val_evaluator = [dict(type='AccMetric')]
test_evaluator = val_evaluator
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=16, val_begin=1, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, T_max=16, by_epoch=True, convert_to_iter_based=True)
]
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0005, nesterov=True))
default_hooks = dict(checkpoint=dict(interval=1), logger=dict(interval=100))
auto_scale_lr = dict(enable=False, base_batch_size=128)
"""


def pyskl(network: str, feature: str, flat: bool, split: str = "xsub", classes: int = 60, strong: bool = False) -> str:
    more = "\n    dict(type='RandomScale', scale=0.1),\n    dict(type='RandomRot')," if strong else ""
    epochs = 24 if strong else 16
    test = steps("pyskl", flat, feature, 10)
    return f"""
model = {model_text(network, flat, classes)}
dataset_type = 'PoseDataset'
ann_file = 'data/nturgbd/ntu{classes}_{"hrnet" if flat else "3danno"}.pkl'
train_pipeline = {steps("pyskl", flat, feature, 0, more)}
val_pipeline = {steps("pyskl", flat, feature, 1)}
test_pipeline = {test}
{_old_data(split, 16, "dict(type='RepeatDataset', times=5, dataset=", ")")}
optimizer = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0005, nesterov=True)
optimizer_config = dict(grad_clip=None)
lr_config = dict(policy='CosineAnnealing', min_lr=0, by_epoch=False)
total_epochs = {epochs}
{RUNTIME}
work_dir = './work_dirs/{network}/{feature}'
"""


RUNTIME = """checkpoint_config = dict(interval=1)
evaluation = dict(interval=1, metrics=['top_k_accuracy'])
log_config = dict(interval=100, hooks=[dict(type='TextLoggerHook')])
log_level = 'INFO'"""


def _old_data(split: str, batch: int, before: str = "", behind: str = "") -> str:
    lists = {part: f"{split}_{'train' if part == 'train' else 'val'}" for part in ("train", "val", "test")}
    item = "dict(type=dataset_type, ann_file=ann_file, pipeline={0}_pipeline, split='{1}')"
    train, val, test = (item.format(part, name) for part, name in lists.items())
    return f"""data = dict(
    videos_per_gpu={batch},
    workers_per_gpu=2,
    test_dataloader=dict(videos_per_gpu=1),
    train={before}{train}{behind},
    val={val},
    test={test})"""


def vanilla(feature: str, split: str = "xsub") -> str:
    """PYSKL's stgcn_vanilla: 300 frames with zeros, steps, dropout."""
    steps = f"""[
    dict(type='PreNormalize3D'),
    dict(type='GenSkeFeat', dataset='nturgb+d', feats=['{feature}']),
    dict(type='PadTo', length=300, mode='zero'),
    dict(type='PoseDecode'),
    dict(type='FormatGCNInput', num_person=2),
    {PACK["pyskl"]}
]"""
    return f"""
model = dict(
    type='RecognizerGCN',
    backbone=dict(type='STGCN', tcn_dropout=0.5, graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial')),
    cls_head=dict(type='GCNHead', num_classes=60, in_channels=256))
dataset_type = 'PoseDataset'
ann_file = 'data/nturgbd/ntu60_3danno.pkl'
train_pipeline = val_pipeline = test_pipeline = {steps}
{_old_data(split, 16, "dict(type='RepeatDataset', times=5, dataset=", ")")}
optimizer = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.0001)
optimizer_config = dict(grad_clip=None)
lr_config = dict(policy='step', step=[2, 10])
total_epochs = 16
{RUNTIME}
"""


def dense(network: str, modality: str, split: str = "xsub", more: str = "") -> str:
    """DG-STGCN of PYSKL, or ProtoGCN: variables, f-strings, frames that are sampled and decoded in one."""
    head = "type='SimpleHead', joint_cfg='nturgb+d', num_classes=60, in_channels=384, weight=0.2"
    head = head if network == "ProtoGCN" else "type='GCNHead', num_classes=60, in_channels=256"
    prototypes = "num_prototype=400, " if network == "ProtoGCN" else ""

    def steps(clips: int) -> str:
        turned = "" if clips else f"\n    dict(type='RandomRot', theta=0.2), {more}"
        return f"""[
    dict(type='PreNormalize3D', align_spine=False),{turned}
    dict(type='GenSkeFeat', feats=[modality]),
    dict(type='UniformSampleDecode', clip_len=clip_len{f", num_clips={clips}" if clips else ""}),
    dict(type='FormatGCNInput'),
    {PACK["pyskl"]}
]"""

    return f"""
modality = '{modality}'
graph = 'nturgb+d'
work_dir = f'./work_dirs/{network.lower()}/ntu60_{split}_3dkp/{{modality}}'
model = dict(
    type='RecognizerGCN',
    backbone=dict(
        type='{network}',
        {prototypes}tcn_ms_cfg=[(3, 1), (3, 2), (3, 3), (3, 4), ('max', 3), '1x1'],
        graph_cfg=dict(layout=graph, mode='random', num_filter=8, init_off=.04, init_std=.02)),
    cls_head=dict({head}))
dataset_type = 'PoseDataset'
ann_file = 'data/nturgbd/ntu60_3danno.pkl'
clip_len = 100
train_pipeline = {steps(0)}
val_pipeline = {steps(1)}
test_pipeline = {steps(10)}
{_old_data(split, 16)}
optimizer = dict(type='SGD', lr=0.025, momentum=0.9, weight_decay=0.0005, nesterov=True)
optimizer_config = dict(grad_clip=None)
lr_config = dict(policy='CosineAnnealing', min_lr=0, by_epoch=False)
total_epochs = 150
{RUNTIME}
"""


def heatmaps() -> str:
    """PoseC3D, which is no graph network."""
    return """
model = dict(
    type='Recognizer3D',
    backbone=dict(type='ResNet3dSlowOnly', depth=50, in_channels=17, base_channels=32),
    cls_head=dict(type='I3DHead', in_channels=512, num_classes=60, spatial_type='avg', dropout_ratio=0.5),
    test_cfg=dict(average_clips='prob'))
dataset_type = 'PoseDataset'
ann_file = 'data/nturgbd/ntu60_hrnet.pkl'
train_pipeline = val_pipeline = test_pipeline = [
    dict(type='UniformSampleFrames', clip_len=48),
    dict(type='PoseDecode'),
    dict(type='PoseCompact', hw_ratio=1., allow_imgpad=True),
    dict(type='Resize', scale=(-1, 64)),
    dict(type='GeneratePoseTarget', sigma=0.6, use_score=True, with_kp=True, with_limb=False),
    dict(type='FormatShape', input_format='NCTHW'),
]
data = dict(
    videos_per_gpu=32,
    workers_per_gpu=2,
    train=dict(type=dataset_type, ann_file=ann_file, pipeline=train_pipeline, split='xsub_train'))
optimizer = dict(type='SGD', lr=0.4, momentum=0.9, weight_decay=0.0003)
optimizer_config = dict(grad_clip=dict(max_norm=40, norm_type=2))
lr_config = dict(policy='CosineAnnealing', by_epoch=False, min_lr=0)
total_epochs = 24
custom_hooks = [dict(type='EMAHook')]
"""


# ---- clips -----------------------------------------------------------------------------------------------------------


def annotations(
    joints: int, channels: int, count: int, classes: int, prefix: str = "", frames: int | None = None
) -> list:
    """Annotations of people who move a little; with scores in 2D."""
    rng = np.random.default_rng(count)
    rest = rng.normal(0, 0.3, (joints, channels)) + 1
    found = []
    for i in range(count):
        length, people = frames or 30 + i % 40, 1 if frames else 1 + i % 2
        keypoint = (rest + rng.normal(0, 0.05, (people, length, joints, channels))) * (300 if channels == 2 else 1)
        item = {"frame_dir": f"{prefix}{i:03}", "label": i % classes, "total_frames": length}
        item |= {"keypoint": keypoint.astype(np.float32), "img_shape": (1080, 1920)}
        if channels == 2:
            item["keypoint_score"] = rng.uniform(0.5, 1, keypoint.shape[:3]).astype(np.float32)
        found.append(item)
    return found


def write_lists(folder: Path, name: str, joints: int, channels: int, classes: int, frames: int | None = None) -> None:
    """train.pkl and val.pkl of MMAction2 0.x."""
    place = folder / "data" / name / "xsub"
    place.mkdir(parents=True)
    for part, count in (("train", classes), ("val", 4)):
        content = annotations(joints, channels, count, classes, part, frames)
        (place / f"{part}.pkl").write_bytes(pickle.dumps(content))


def write_splits(
    path: Path, joints: int, channels: int, classes: int, plain: bool = False, boxed: bool = False
) -> None:
    """The one pickle of MMAction2 1.x and PYSKL. plain: lists `train` and `val`, of FineGYM and Kinetics-400.

    boxed: skeletons of Kinetics-400 lie in a file of their own, one after another, each with the score of its box.
    """
    items = annotations(joints, channels, classes + 4, classes)
    names = [item["frame_dir"] for item in items]
    split = {}
    for name in ("",) if plain else ("xsub_", "xview_", "xset_"):
        split |= {f"{name}train": names[:classes], f"{name}val": names[classes:]}
    path.parent.mkdir(parents=True, exist_ok=True)
    if boxed:
        skeletons = {item["frame_dir"]: _one_after_another(item) for item in items}
        (path.parent / "all.pkl").write_bytes(pickle.dumps(skeletons))
    path.write_bytes(pickle.dumps({"split": split, "annotations": items}))


def _one_after_another(item: dict) -> dict:
    """The skeletons of an annotation, which keeps the frame of each and the score of its box instead."""
    keypoint = np.concatenate([item.pop("keypoint"), item.pop("keypoint_score")[..., None]], 3).swapaxes(0, 1)
    frames, people = keypoint.shape[:2]
    item |= {"raw_file": "all.pkl", "frame_inds": np.repeat(np.arange(frames), people)}
    item["box_score"] = np.ones(frames * people)
    return {"keypoint": keypoint.reshape(-1, *keypoint.shape[2:])}


# ---- every variant ----


OLD = ["stgcn_80e_ntu60_xsub_keypoint", "stgcn_80e_ntu60_xsub_keypoint_3d", "2sagcn_80e_ntu60_xsub_keypoint_3d"]
OLD += ["2sagcn_80e_ntu60_xsub_bone_3d", *(f"stgcn_80e_babel{n}{loss}" for n in (60, 120) for loss in ("", "_wfl"))]
FEATURES = ("j", "b", "jm", "bm")
NEW = [("stgcn", True), ("stgcn", False), ("stgcnpp", True), ("stgcnpp", False), ("ctrgcn", False)]
NEW += [("2s-agcn", False), ("aagcn", True), ("msg3d", True)]
VARIANTS = {
    **{f"0.x {name}": mmaction0(name) for name in OLD},
    **{f"1.x {net} {flat} {it}": mmaction1(net, it, flat) for net, flat in NEW for it in FEATURES},
    **{f"1.x 120 {it}": mmaction1("stgcn", it, False, classes=120) for it in FEATURES},
    **{f"pyskl {net} {flat} {split}": pyskl(net, "j", flat, split) for net, flat in NEW for split in ("xsub", "xview")},
    **{f"pyskl xset {it}": pyskl("stgcnpp", it, True, "xset", 120) for it in FEATURES},
    "pyskl strong": pyskl("stgcnpp", "j", False, strong=True),
    **{f"vanilla {it}": vanilla(it) for it in FEATURES},
    **{f"{net} {it}": dense(net, it) for net in ("DGSTGCN", "ProtoGCN") for it in ("j", "bm")},
    "ProtoGCN k": dense("ProtoGCN", "k", more="dict(type='Part_Drop'), "),
}


def changed(name: str, *changes: tuple[str, str]) -> str:
    """A variant with some of its text replaced."""
    text = VARIANTS[name]
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return text
