"""The YAML files of `main.py` in yysijie/st-gcn, 2s-AGCN and CTR-GCN -> a recipe in our words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from kinegraph.foreign.block import Block, merged
from kinegraph.foreign.networks import LAYOUTS_0, say_layout
from kinegraph.foreign.python_config import option_values
from kinegraph.foreign.recipe import ANY, Recipe, Source, check_known, understanding
from kinegraph.messages import quoted
from kinegraph.safe_io import compose_yaml, read_yaml

MARKS = ("train_feeder_args", "test_feeder_args", "feeder", "model_args")
# fmt: off
WITHOUT_EFFECT = {
    "work_dir", "model_saved_name", "config", "phase", "save_score", "seed", "log_interval", "save_interval",
    "eval_interval", "print_log", "show_topk", "ignore_weights", "device", "test_batch_size", "start_epoch", "debug",
    "use_gpu", "save_log", "save_result", "pavi_log", "num_worker", "optimizer", "nesterov", "weights", "lr_ratio"
}
# fmt: on
FEEDER: dict[str, object] = {
    **dict.fromkeys(
        ["data_path", "label_path", "debug", "random_choose", "random_move", "window_size", "random_shift"], ANY
    ),
    **dict.fromkeys(["use_mmap", "mmap", "split", "p_interval", "vel", "bone", "random_rot", "repeat"], ANY),
    "normalization": False,
}
SPATIAL = ("spatial", None)
NTU_GRAPHS = {"graph.ntu_rgb_d.Graph": "ntu-rgb+d", "graph.kinetics.Graph": "openpose"}
THETA = 0.3  # radians, CTR-GCN's random_rot


def is_main_py(path: Path) -> bool:
    try:
        top = compose_yaml(path)
    except ValueError:
        return False
    keys = {str(key.value) for key, _ in top.value} if isinstance(top, yaml.MappingNode) else set()
    return len(keys & set(MARKS)) > 1


def read_main_py(path: Path, changes: Sequence[str] = (), validate: bool | None = None) -> Recipe:
    """The recipe in a YAML file. changes: as --cfg-options, such as train_feeder_args.bone=true."""
    config = _with_lines(compose_yaml(path), read_yaml(path), path.name)
    assert isinstance(config, Block)
    config = merged(option_values(changes), config, into_lists=True)
    name = str(config.get("model", ""))
    recipe = Recipe(path, _dialect(config, name))
    with understanding(recipe, config, "model_args"):
        _network(config, name, recipe)
    with understanding(recipe, config, "train_feeder_args"):
        _feeder(config, recipe)
    with understanding(recipe, config, "base_lr"):
        _schedule(config, recipe)
    recipe.say("validate", validate is not False and "val" in recipe.parts, name="by default")
    if isinstance(config.get("work_dir"), str):
        recipe.work_dir = config["work_dir"]
    if config.get("phase") == "test":
        recipe.note("phase: test; `kinegraph test CONFIG WEIGHTS` does this", config, "phase")
    for key in config:
        if key not in WITHOUT_EFFECT and key not in USED:
            recipe.note(f"'{key}' has no effect here", config, key)
    return recipe


USED = {*MARKS, "model", "weight_decay", "base_lr", "step", "batch_size", "num_epoch", "warm_up_epoch", "lr_decay_rate"}


def _with_lines(node: yaml.Node | None, value: object, label: str) -> object:
    """The values with the line of each."""
    if not isinstance(value, dict) or not isinstance(node, yaml.MappingNode):
        return value
    block = Block()
    nodes = {str(key.value): (key, inner) for key, inner in node.value}
    for key, inner in value.items():
        at = nodes.get(str(key))
        line = f"{label}:{at[0].start_mark.line + 1}" if at else label
        block.put(str(key), _with_lines(at[1] if at else None, inner, label), line)
    return block


def _dialect(config: Block, model: str) -> str:
    if "ctrgcn" in model or "p_interval" in config.block("train_feeder_args"):
        return "CTR-GCN"
    return "yysijie/st-gcn" if model.startswith("net.") else "2s-AGCN"


def _network(config: Block, name: str, recipe: Recipe) -> None:
    arguments = config.block("model_args")
    classes = arguments.get("num_class")
    if type(classes) is int and 1 < classes <= 100_000:
        recipe.classes = classes
    else:
        recipe.refuse(f"num_class is {quoted(classes)}, expected 2 or more", arguments, "num_class")
    known: dict[str, object] = {"num_class": ANY, "num_point": ANY, "num_person": ANY, "in_channels": ANY}
    known |= {"graph": ANY, "graph_args": ANY, "dropout": ANY, "edge_importance_weighting": ANY}
    known |= {"drop_out": ANY, "adaptive": True}
    check_known(recipe, arguments, known, "model_args")
    if name in ("net.st_gcn.Model", "net.st_gcn_twostream.Model"):
        if "twostream" in name:
            recipe.refuse(
                "st_gcn_twostream: train two networks, streams joint and joint_motion, and fuse them", config, "model"
            )
        _class(recipe, config, "kinegraph.models.stgcn.STGCN")
        recipe.say("model.init_args.init", "stgcn2018", config, "model")
        if dropout := arguments.get("dropout"):
            recipe.say("model.init_args.dropout", dropout, arguments, "dropout")
        if arguments.get("edge_importance_weighting") is False:
            recipe.say("model.init_args.edges", "fixed", arguments, "edge_importance_weighting")
        _graph_2018(arguments.block("graph_args"), recipe)
        return
    if name == "model.agcn.Model":
        _class(recipe, config, "kinegraph.models.agcn.AGCN")
    elif name == "model.ctrgcn.Model":
        _class(recipe, config, "kinegraph.models.ctrgcn.CTRGCN")
        recipe.note(
            "the network is PYSKL's CTR-GCN, which sums over the other joint and has one ReLU more", config, "model"
        )
    else:
        recipe.refuse(f"the network {quoted(name)} is not here", config, "model")
    graph = arguments.get("graph")
    if graph not in NTU_GRAPHS:
        recipe.refuse(f"the graph {quoted(graph)} is not here, only {', '.join(NTU_GRAPHS)}", arguments, "graph")
    else:
        say_layout(recipe, LAYOUTS_0[NTU_GRAPHS[graph]], arguments, "graph", "graph")
    if arguments.block("graph_args").get("labeling_mode") not in SPATIAL:
        recipe.refuse("labeling_mode: only 'spatial' is here", arguments.block("graph_args"), "labeling_mode")
    recipe.say("partition", "inward_outward", arguments, "graph_args", "graph_args.labeling_mode")


def _class(recipe: Recipe, config: Block, name: str) -> None:
    recipe.say("model.class_path", name, config, "model")


def _graph_2018(graph: Block, recipe: Recipe) -> None:
    layout, strategy = graph.get("layout", "openpose"), graph.get("strategy", "uniform")
    if layout not in LAYOUTS_0:
        recipe.refuse(f"graph layout {quoted(layout)} is not here, only {', '.join(LAYOUTS_0)}", graph, "layout")
        return
    say_layout(recipe, LAYOUTS_0[layout], graph, "layout", "graph_args.layout")
    if strategy not in ("uniform", "distance", "spatial"):
        recipe.refuse(f"strategy {quoted(strategy)} is not here", graph, "strategy")
        return
    recipe.say("partition", strategy, graph, "strategy", "graph_args.strategy")
    if graph.get("max_hop", 1) != 1:
        recipe.say("max_hop", graph["max_hop"], graph, "max_hop")


# ---- clips -----------------------------------------------------------------------------------------------------------


def _feeder(config: Block, recipe: Recipe) -> None:
    train, test = config.block("train_feeder_args"), config.block("test_feeder_args")
    for part, block, what in (("train", train, "train_feeder_args"), ("val", test, "test_feeder_args")):
        check_known(recipe, block, FEEDER, what)
        path, labels = block.get("data_path"), block.get("label_path")
        if isinstance(path, str) and not path.endswith(".npz"):
            labels = labels if isinstance(labels, str) else None
            recipe.parts[part] = Source(path, None, block.line("data_path"), f"{what}.data_path", labels)
        elif isinstance(path, str):
            recipe.refuse(
                f"{path}: arrays of CTR-GCN (.npz) are not read; --dataset FOLDER names the clips", block, "data_path"
            )
    if "train" not in recipe.parts and not recipe.refused and train:
        recipe.note("the feeder names no data_path; --dataset FOLDER names the clips", config, "train_feeder_args")
    recipe.say(
        "preprocessing.people", config.block("model_args").get("num_person", 2), config, "model_args", "num_person"
    )
    recipe.say("preprocessing.normalize", "none", config, "feeder", "arrays as stored")
    _stream(train, recipe)
    if recipe.dialect == "CTR-GCN":
        _resized(train, test, recipe)
    else:
        _window(train, test, recipe)


def _stream(block: Block, recipe: Recipe) -> None:
    stream = ("bone" if block.get("bone") else "joint") + ("_motion" if block.get("vel") else "")
    if block.get("bone") or block.get("vel"):
        recipe.say("preprocessing.streams", [stream], block, "bone" if block.get("bone") else "vel")
    if block.get("vel"):
        recipe.note("motion is between recorded frames here, there between resampled ones", block, "vel")


def _window(train: Block, test: Block, recipe: Recipe) -> None:
    size = train.get("window_size", -1)
    if type(size) is int and size > 0:
        chosen = train.get("random_choose")
        recipe.say(
            "preprocessing.sampling", "window" if chosen else "pad", train, "random_choose" if chosen else "window_size"
        )
        recipe.say("preprocessing.frames", size, train, "window_size")
        if (tested := test.get("window_size", -1)) != size:
            recipe.say("preprocessing.test_frames", tested if tested > 0 else 300, test, "window_size")
    else:
        recipe.say("preprocessing.sampling", "pad", train, "window_size", "all frames")
        recipe.say("preprocessing.frames", 300, train, "window_size", "all frames")
    if train.get("random_shift"):
        recipe.refuse("random_shift, a random place among the zeros, is not here", train, "random_shift")
    if train.get("random_move"):
        recipe.say("preprocessing.augment.rotation", [0.0, 0.0, 0.17], train, "random_move")
        recipe.say("preprocessing.augment.scale", 0.1, train, "random_move")
        recipe.note(
            "random_move drifts within a clip there; rotation and scale are drawn once a clip here",
            train,
            "random_move",
        )


def _resized(train: Block, test: Block, recipe: Recipe) -> None:
    """CTR-GCN: a part of the clip, stretched to the window."""
    recipe.say("preprocessing.sampling", "resample", train, "p_interval")
    recipe.say("preprocessing.frames", train.get("window_size", 64), train, "window_size")
    share: Any = train.get("p_interval", [1])
    if isinstance(share, list) and share and all(type(it) in (int, float) for it in share):
        recipe.say("preprocessing.augment.crop", float(min(share)), train, "p_interval")
    if test.get("p_interval") not in (None, [1], 1):
        recipe.note("testing looks at the clip from end to end here", test, "p_interval")
    if train.get("random_rot"):
        recipe.say("preprocessing.augment.rotation", [THETA] * 3, train, "random_rot")
    if type(repeat := train.get("repeat", 1)) is int and repeat > 1:
        recipe.say("repeat", repeat, train, "repeat")


def _schedule(config: Block, recipe: Recipe) -> None:
    kind = str(config.get("optimizer", "SGD"))
    if kind not in ("SGD", "Adam"):
        recipe.refuse(f"the optimizer {quoted(kind)} is not here", config, "optimizer")
    nesterov = config.get("nesterov", recipe.dialect == "yysijie/st-gcn")
    recipe.say("optimizer.class_path", f"torch.optim.{kind}", config, "optimizer", "optimizer")
    recipe.say("optimizer.init_args.lr", config.get("base_lr", 0.01), config, "base_lr")
    if kind == "SGD":
        recipe.say("optimizer.init_args.momentum", 0.9, name="main.py")
        recipe.say("optimizer.init_args.nesterov", bool(nesterov), config, "nesterov")
    recipe.say("optimizer.init_args.weight_decay", config.get("weight_decay", 1e-4), config, "weight_decay")
    steps = config.get("step", [])
    steps = steps if isinstance(steps, list) else [steps]
    recipe.say("schedule.kind", "step", config, "step")
    recipe.say("schedule.milestones", steps, config, "step")
    if config.get("lr_decay_rate", 0.1) != 0.1:
        recipe.say("schedule.gamma", config["lr_decay_rate"], config, "lr_decay_rate")
    epochs, warm = config.get("num_epoch", 80), config.get("warm_up_epoch", 0)
    if warm and type(epochs) is int:
        recipe.say("schedule.warmup", round(warm / epochs, 6), config, "warm_up_epoch")
        recipe.note("the learning rate rises step by step here, there once an epoch", config, "warm_up_epoch")
    recipe.say("epochs", epochs, config, "num_epoch")
    recipe.say("batch_size", config.get("batch_size", 256), config, "batch_size")
    recipe.say("workers", min(int(config.get("num_worker", 2)), 16), config, "num_worker")
