"""Every skeleton-GCN config of MMAction2 0.x, MMAction2 1.x, PYSKL and ProtoGCN, made again, and what becomes of them.

    PYTHONPATH=src python -m tests.foreign.every_config FOLDER [--train | --train-all]

writes the files into a new folder as the projects lay them out, translates and builds each, with --train also trains
one of each kind for two steps on made-up clips, with --train-all every one, which takes some minutes, and prints how
many of how many. The text follows docs/recipes.md, the projects' documentation and their style: base files, loops over
streams, hooks, loggers, caches.
"""

import pickle
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from kinegraph.cli import main as main_of_kinegraph
from kinegraph.commands.arguments import read_config
from kinegraph.commands.train import train
from kinegraph.foreign.read import read_foreign
from kinegraph.foreign.recipe import Recipe, as_yaml
from kinegraph.models.network import network_class
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout
from kinegraph.training import loop
from tests.foreign import projects

STREAMS = {"j": "joint", "b": "bone", "jm": "joint-motion", "bm": "bone-motion"}
NETWORKS = ("stgcn", "stgcnpp", "2s-agcn", "aagcn", "ctrgcn", "msg3d")
TITLES = {"stgcnpp": "stgcn++"}
OLD = ["stgcn_80e_ntu60_xsub_keypoint", "stgcn_80e_ntu60_xsub_keypoint_3d", "2sagcn_80e_ntu60_xsub_keypoint_3d"]
OLD += ["2sagcn_80e_ntu60_xsub_bone_3d", *(f"stgcn_80e_babel{n}{loss}" for n in (60, 120) for loss in ("", "_wfl"))]

RUNTIME_1 = """default_scope = 'mmaction'
default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=20, ignore_last=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=1, save_best='auto'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    sync_buffers=dict(type='SyncBuffersHook'))
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))
log_processor = dict(type='LogProcessor', window_size=20, by_epoch=True)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='ActionVisualizer', vis_backends=vis_backends)
log_level = 'INFO'
load_from = None
resume = False
"""
RUNTIME_0 = """checkpoint_config = dict(interval=1)
log_config = dict(
    interval=20,
    hooks=[
        dict(type='TextLoggerHook'),
        # dict(type='TensorboardLoggerHook'),
    ])
dist_params = dict(backend='nccl')
log_level = 'INFO'
load_from = None
resume_from = None
workflow = [('train', 1)]
opencv_num_threads = 0
mp_start_method = 'fork'
"""


def every_config() -> Iterator[tuple[str, str]]:
    """Path and text of each config; base files that are none themselves are those in `_base_`."""
    yield from older()
    yield "mmaction1/configs/_base_/default_runtime.py", RUNTIME_1
    yield from newer()
    yield from pyskl()
    yield from protogcn()


def older() -> Iterator[tuple[str, str]]:
    yield "mmaction0/configs/_base_/default_runtime.py", RUNTIME_0
    for i, name in enumerate(OLD):
        text = projects.mmaction0(name)
        if i % 2:  # some name the base file, some say all themselves
            text = "_base_ = ['../../_base_/default_runtime.py']\n" + "".join(
                line for line in text.splitlines(keepends=True) if line.partition(" = ")[0] + " =" not in RUNTIME_0
            )
        yield f"mmaction0/configs/skeleton/{'2s-agcn' if '2s' in name else 'stgcn'}/{name}.py", text


# ---- MMAction2 1.x ---------------------------------------------------------------------------------------------------


def newer() -> Iterator[tuple[str, str]]:
    for network, classes in (("stgcn", 60), ("stgcn", 120), ("stgcnpp", 60), ("2s-agcn", 60)):
        for flat in (True, False):
            for stream in STREAMS:
                yield newer_path(network, stream, flat, classes), newer_text(network, stream, flat, classes)
    for network in ("ctrgcn", "msg3d"):
        for flat in (True, False):
            text = projects.mmaction1(network, "j", flat)
            text = text.replace("'../../_base_/default_runtime.py'", "'mmaction::_base_/default_runtime.py'")
            path = f"mmaction1/projects/{network}/configs/{newer_name(network, 'j', flat, 60)}"
            yield path, text + "custom_imports = dict(imports='models')\n"


def newer_name(network: str, stream: str, flat: bool, classes: int) -> str:
    kind = f"{2 if flat else 3}d"
    return f"{network}_8xb16-{STREAMS[stream]}-u100-80e_ntu{classes}-xsub-keypoint-{kind}.py"


def newer_path(network: str, stream: str, flat: bool, classes: int) -> str:
    return f"mmaction1/configs/skeleton/{network}/{newer_name(network, stream, flat, classes)}"


def newer_text(network: str, stream: str, flat: bool, classes: int) -> str:
    """The joint stream of 60 classes in full; the others change it."""
    if stream == "j" and classes == 60:
        return projects.mmaction1(network, "j", flat)
    lines = [f"_base_ = '{newer_name(network, 'j', flat, 60)}'"]
    if classes != 60:
        lines += [f"model = dict(cls_head=dict(num_classes={classes}))"]
        lines += ["dataset_type = 'PoseDataset'", f"ann_file = 'data/skeleton/ntu{classes}_{2 if flat else 3}d.pkl'"]
    for part, clips in (("train", 0), ("val", 1), ("test", 10)):
        lines.append(f"{part}_pipeline = {projects.steps('mmaction1', flat, stream, clips)}")
    data = "ann_file=ann_file, " if classes != 60 else ""
    lines.append(f"train_dataloader = dict(dataset=dict(dataset=dict({data}pipeline=train_pipeline)))")
    lines += [f"{part}_dataloader = dict(dataset=dict({data}pipeline={part}_pipeline))" for part in ("val", "test")]
    return "\n".join(lines) + "\n"


# ---- PYSKL -----------------------------------------------------------------------------------------------------------


def pyskl() -> Iterator[tuple[str, str]]:
    splits = {60: ("xsub", "xview"), 120: ("xsub", "xset")}
    for network in ("stgcn", "stgcnpp", "aagcn", "ctrgcn", "msg3d"):
        title = TITLES.get(network, network)
        start = title if network == "stgcnpp" else f"{title}_pyskl"
        for classes in splits:
            for split in splits[classes]:
                for flat in (True, False):
                    place = f"{start}_ntu{classes}_{split}_{'hrnet' if flat else '3dkp'}"
                    for stream in STREAMS:
                        text = projects.pyskl(network, stream, flat, split, classes)
                        yield f"pyskl/configs/{title}/{place}/{stream}.py", text
    for split in splits[60]:
        for stream in STREAMS:
            yield f"pyskl/configs/stgcn/stgcn_vanilla_ntu60_{split}_3dkp/{stream}.py", projects.vanilla(stream, split)
    for stream in STREAMS:
        text = projects.pyskl("stgcnpp", stream, False, strong=True)
        yield f"pyskl/configs/strong_aug/ntu60_xsub_3dkp/{stream}.py", text
    for classes in splits:
        for split in splits[classes]:
            for stream in STREAMS:
                text = projects.dense("DGSTGCN", stream, split).replace("ntu60_3danno", f"ntu{classes}_3danno")
                text = text.replace("num_classes=60", f"num_classes={classes}")
                spine = "align_spine=False" if split != "xview" else "align_spine=True"
                text = text.replace("align_spine=False", spine)
                text = text.replace("'DGSTGCN',", "'DGSTGCN',\n        gcn_ratio=0.125, gcn_ctr='T', gcn_ada='T',")
                yield f"pyskl/configs/dgstgcn/ntu{classes}_{split}_3dkp/{stream}.py", text


# ---- ProtoGCN --------------------------------------------------------------------------------------------------------

FLIPPED = "dict(type='Spatial_Flip', dataset='nturgb+d', p=0.5), "
MORE = {  # augmentations behind the rotation, by data set and stream
    **dict.fromkeys([(60, "xsub"), (120, "xset")], dict.fromkeys(["b", "bm", "k", "km"], FLIPPED)),
    (60, "xview"): dict.fromkeys(["k", "km"], "dict(type='Part_Drop'), "),
    (120, "xsub"): dict.fromkeys(["j", "jm", "b", "bm"], FLIPPED)
    | dict.fromkeys(["k", "km"], "dict(type='Part_Drop'), "),
}
CACHE = "memcached=True, mc_cfg=('localhost', 11211), "


def protogcn() -> Iterator[tuple[str, str]]:
    for (classes, split), more in MORE.items():
        for stream in (*STREAMS, "k", "km"):
            text = projects.dense("ProtoGCN", stream, split, more.get(stream, ""))
            text = text.replace("ntu60_3danno", f"ntu{classes}_3danno").replace(
                "num_classes=60", f"num_classes={classes}"
            )
            if stream not in ("j", "jm"):
                weight = 0.3 if stream in ("b", "bm") else 0.1
                text = text.replace("num_prototype=400", "num_prototype=100").replace("weight=0.2", f"weight={weight}")
            yield f"protogcn/configs/ntu{classes}_{split}/{stream}.py", text
    for name, classes in (("kinetics", 400), ("finegym", 99)):
        for stream in (*STREAMS, "k", "km"):
            yield f"protogcn/configs/{name}/{stream}.py", with_20_joints(name, stream, classes)


def with_20_joints(name: str, stream: str, classes: int) -> str:
    """HRNet's joints in pixels and three more, made on the way: the layout coco_new."""
    text = projects.dense("ProtoGCN", stream).replace("graph = 'nturgb+d'", "graph = 'coco_new'")
    text = text.replace("'data/nturgbd/ntu60_3danno.pkl'", f"'data/{name}/{name}_hrnet.pkl'")
    text = text.replace("num_classes=60", f"num_classes={classes}").replace("xsub_", "")
    text = text.replace("joint_cfg='nturgb+d'", "joint_cfg='coco_new'")
    unpacked = "dict(type='DecompressPose', squeeze=True), " if name == "kinetics" else ""
    flip = "    dict(type='Flip', flip_ratio=0.5, left_kp=left_kp, right_kp=right_kp),\n"
    features = (
        "    dict(type='Kinetics_Transform'),\n    dict(type='GenSkeFeat', dataset='coco_new', feats=[modality]),\n"
    )
    text = text.replace("    dict(type='GenSkeFeat', feats=[modality]),\n", "")
    parts = text.split("_pipeline = [")
    for number, clips in enumerate(("", ", num_clips=1", ", num_clips=10"), 1):
        _, rest = parts[number].split("dict(type='UniformSampleDecode', clip_len=clip_len" + clips + "),\n")
        steps = f"dict(type='UniformSampleFrames', clip_len=100{clips}),\n    dict(type='PoseDecode'),\n"
        parts[number] = f"\n    {unpacked}{steps}{'' if clips else flip}{features}{rest}"
    text = "_pipeline = [".join(parts)
    text = text.replace("dict(type='FormatGCNInput')", "dict(type='FormatGCNInput', num_person=2)")
    if name == "kinetics":
        text = text.replace("split='train'", f"{CACHE}split='train', box_thr=0.5, valid_ratio=0.0")
    return f"left_kp = {projects.LEFT}\nright_kp = {projects.RIGHT}\n{text}"


# ---- what becomes of them --------------------------------------------------------------------------------------------


def write_configs(folder: Path) -> list[Path]:
    """All of them in a folder; returns those that are no base files."""
    found = []
    for name, text in every_config():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        found += [path] * ("_base_" not in name)
    return found


def kind_of(path: Path, folder: Path) -> str:
    """Project and network."""
    project, *_, group, place, _ = path.relative_to(folder).parts
    network = place.partition("_")[0] if group in ("configs", "skeleton") else group
    return f"{project} {network}{' vanilla' * ('vanilla' in place)}"


def build(recipe: Recipe, folder: Path) -> nn.Module:
    """The network of a translated config, its shapes alone. The options are read as ours before."""
    (folder / "ours.yaml").write_text(as_yaml(recipe, "data") + "split: xsub\n", encoding="utf-8")
    read_config(train, folder / "ours.yaml")
    given = {name: said.value for name, said in recipe.options.items()}
    start = "model.init_args."
    settings = {name.removeprefix(start): value for name, value in given.items() if name.startswith(start)}
    layout = load_layout(given.get("layout", recipe.dataset["layout"]))
    graph = torch.from_numpy(adjacency(layout, given["partition"])).float()
    with torch.device("meta"):
        kind = network_class(given["model.class_path"])
        return kind(graph.to("meta"), 3, recipe.classes, **settings)


def train_two_steps(config: Path, project: Path) -> int:
    """The exit code of `kinegraph train CONFIG` on clips that are made up for it."""
    recipe = read_foreign(config)
    write_clips(recipe, project)
    usual = loop.train_loader
    loop.train_loader = lambda *args, **options: islice(usual(*args, **options), 2)
    run = project / "runs" / "_".join([config.parent.parent.name, config.parent.name, config.stem])
    words = ["--work-dir", str(run), "--batch-size", "2", "--epochs", "1", "--repeat", "1", "--workers", "0"]
    words += ["--accelerator", "cpu", "--no-report", "--log-every", "1"]
    words += ["--preprocessing.frames", "16"] * (recipe.get("preprocessing.frames") is not None)
    try:
        return main_of_kinegraph(["train", str(config), *words])
    finally:
        loop.train_loader = usual


def write_clips(recipe: Recipe, project: Path) -> None:
    """The annotation files that a config names."""
    name, channels, classes = recipe.dataset["layout"], recipe.dataset["dimensions"], recipe.classes or 0
    joints = len(load_layout("coco17" if name == "coco20" else name))  # three are made on the way
    for part, source in recipe.parts.items():
        path = project / source.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            continue
        if source.split is not None:
            plain, boxed = source.split in ("train", "val"), "kinetics" in path.name
            projects.write_splits(path, joints, channels, classes, plain, boxed)
        else:
            frames = 20 if recipe.get("preprocessing.frames") is None else None
            count = classes if part == "train" else 4
            clips = projects.annotations(joints, channels, count, classes, part, frames)
            path.write_bytes(pickle.dumps(clips))


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir()
    configs, refused = write_configs(folder), {}
    good: dict[str, list[Path]] = {}
    for path in configs:
        recipe = read_foreign(path)
        if recipe.refused:
            refused[path] = recipe.refused
        else:
            build(recipe, folder)
            good.setdefault(kind_of(path, folder), []).append(path)
    wanted = 1 if "--train" in sys.argv else None if "--train-all" in sys.argv else 0
    trained = asked = 0
    for kind, paths in sorted(good.items()):
        print(f"{kind}: {len(paths)} translated and built", flush=True)
        for path in paths[:wanted]:
            asked += 1
            done = train_two_steps(path, folder / path.relative_to(folder).parts[0]) == 0
            trained += done
            if not done:
                print(f"{path.relative_to(folder)} is not trained", flush=True)
    for path, lines in refused.items():
        print(f"{path.relative_to(folder)} refused: {'; '.join(lines)}")
    print(f"{len(configs) - len(refused)} of {len(configs)} configs are translated and built")
    if asked:
        print(f"{trained} of {asked} are trained for two steps")


if __name__ == "__main__":
    main()
