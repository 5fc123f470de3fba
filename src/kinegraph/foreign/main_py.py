"""The YAML files of `main.py` in yysijie/st-gcn, 2s-AGCN, MS-G3D and CTR-GCN -> a recipe in our words."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from kinegraph.foreign.block import Block, merged
from kinegraph.foreign.feeders import say_feeder
from kinegraph.foreign.networks import LAYOUTS_0, SCALES, Joints, ours_of, say_layout, say_ours
from kinegraph.foreign.python_config import option_values
from kinegraph.foreign.recipe import ANY, CODE, FOLLOWS, RUNNING, STORING, TESTED, Recipe, check_known, understanding
from kinegraph.foreign.schedules import old_warmup
from kinegraph.messages import first_few, quoted
from kinegraph.safe_io import compose_yaml, read_yaml

MARKS = ("train_feeder_args", "test_feeder_args", "feeder", "model_args")
# fmt: off
KNOWN: dict[str, object] = {
    **dict.fromkeys(["model_saved_name", "Experiment_name", "save_score", "log_interval", "save_interval"], STORING),
    **dict.fromkeys(["save_epoch", "print_log", "show_topk", "save_log", "save_result", "pavi_log"], STORING),
    **dict.fromkeys(["config", "seed", "device", "debug", "use_gpu", "assume_yes", "amp_opt_level"], RUNNING),
    **dict.fromkeys(["eval_interval", "eval_start", "test_batch_size"], TESTED),
    **dict.fromkeys([*MARKS, "model", "weight_decay", "base_lr", "step", "batch_size", "num_epoch"], ANY),
    **dict.fromkeys(["warm_up_epoch", "lr_decay_rate", "weights", "ignore_weights", "start_epoch", "policy"], ANY),
    **dict.fromkeys(["forward_batch_size", "half", "only_train_part", "only_train_epoch", "optimizer"], ANY),
    **dict.fromkeys(["nesterov", "num_worker", "work_dir", "phase"], ANY),
}
# fmt: on
SPATIAL = ("spatial", None)
OF_TEST = ("model", "feeder", "test_feeder_args")  # what a test needs, too
GRAPHS = {
    "graph.ntu_rgb_d.Graph": LAYOUTS_0["ntu-rgb+d"],
    "graph.kinetics.Graph": LAYOUTS_0["openpose"],
    "graph.ntu_rgb_d.AdjMatrixGraph": LAYOUTS_0["ntu-rgb+d"],  # MS-G3D
    "graph.kinetics.AdjMatrixGraph": LAYOUTS_0["openpose"],
    "graph.ucla.Graph": Joints("kinect20", "kinect20", 3),
}
ARGUMENTS: dict[str, object] = {
    **dict.fromkeys(["num_class", "num_person", "in_channels", "graph", "graph_args"], ANY),
    "num_point": FOLLOWS,
    "adaptive": True,
}
ST_GCN = {"dropout": ANY, "edge_importance_weighting": ANY}
AUTHORS: dict[str, object] = {"init": "authors"}
NETWORKS: dict[str, tuple[str, dict[str, object], dict[str, object]]] = {  # class, their arguments, options of ours
    "net.st_gcn.Model": ("stgcn.STGCN", ST_GCN, {"init": "stgcn2018"}),
    "net.st_gcn_twostream.Model": ("stgcn.STGCN", ST_GCN, {"init": "stgcn2018"}),
    "model.agcn.Model": ("agcn.PersonAGCN", {"drop_out": ANY}, {}),
    "model.aagcn.Model": ("aagcn.AAGCN", {"drop_out": ANY, "attention": ANY}, AUTHORS),
    "model.ctrgcn.Model": ("ctrgcn.CTRGCN", {"drop_out": ANY}, AUTHORS | {"temporal_relu": False}),
    "model.msg3d.Model": ("msg3d.MSG3D", {"num_gcn_scales": ANY, "num_g3d_scales": ANY}, AUTHORS | {"symmetric": True}),
}
# Settings of the training that main.py of a project takes where the file does not say them.
DEFAULTS: dict[str, dict[str, object]] = {
    "yysijie/st-gcn": {"nesterov": True, "weight_decay": 0.0001, "batch_size": 256, "step": []},
    "2s-AGCN": {"nesterov": False, "weight_decay": 0.0005, "batch_size": 256, "step": [20, 40, 60]},
    "MS-G3D": {"nesterov": False, "weight_decay": 0.0005, "batch_size": 32, "step": [20, 40, 60]},
    "CTR-GCN": {"nesterov": False, "weight_decay": 0.0005, "batch_size": 256, "step": [20, 40, 60]},
    "mmskeleton": {"nesterov": False, "weight_decay": 0.0, "batch_size": 64, "step": []},
}


def keys_of(path: Path) -> set[str]:
    """The keys at the top of a YAML file; none of what is no mapping."""
    try:
        top = compose_yaml(path)
    except ValueError:
        return set()
    return {str(key.value) for key, _ in top.value} if isinstance(top, yaml.MappingNode) else set()


def is_main_py(path: Path) -> bool:
    return len(keys_of(path) & set(MARKS)) > 1


def yaml_block(path: Path, changes: Sequence[str]) -> Block:
    """The values of a YAML file with the line of each. changes: as --cfg-options."""
    config = _with_lines(compose_yaml(path), read_yaml(path), path.name)
    assert isinstance(config, Block)
    return merged(option_values(changes), config, into_lists=True)


def read_main_py(path: Path, changes: Sequence[str] = (), validate: bool | None = None) -> Recipe:
    """The recipe in a YAML file. changes: as --cfg-options, such as train_feeder_args.bone=true."""
    config = yaml_block(path, changes)
    recipe = Recipe(path, _dialect(config, str(config.get("model", ""))), config)
    if say_training(config, recipe, validate):
        recipe.refuse_the_rest(OF_TEST)
    return recipe


def say_training(config: Block, recipe: Recipe, validate: bool | None) -> bool:
    """Say what the settings of main.py mean; False, and nothing more, for a network that Kinegraph does not have."""
    with understanding(recipe, config, "model_args"):
        if not _network(config, str(config.get("model", "")), recipe):
            return False
    with understanding(recipe, config, "train_feeder_args"):
        say_feeder(config, recipe)
    with understanding(recipe, config, "base_lr", training=True):
        _schedule(config, recipe)
    with understanding(recipe, config, "weights", training=True):
        _start(config, recipe)
    recipe.say("validate", validate is not False and "val" in recipe.parts, name="by default")
    if isinstance(config.get("work_dir"), str):
        recipe.work_dir = config["work_dir"]
    if config.get("phase") == "test" and "save_score" in config:
        recipe.note("save_score: `kinegraph test` writes the scores with --out FILE.pkl", config, "save_score")
    if config.get("phase") == "test":
        recipe.note("phase: test has no effect; `kinegraph test` is a verb of its own", config, "phase", training=True)
    known = {key: why for key, why in KNOWN.items() if why is not ANY}
    check_known(recipe, config, dict.fromkeys(config, ANY) | known, "main.py")
    if unknown := [key for key, value in config.items() if key not in KNOWN and value]:
        what = f"{first_few(unknown)}: settings of another main.py, which may change the training"
        without = " ".join(f"{key}=None" for key in unknown)
        recipe.refuse(f"{what}; --cfg-options {without} goes on without", config, unknown[0])
    config.read.update(key for key in config if key not in KNOWN)
    return True


def _with_lines(node: yaml.Node | None, value: object, label: str) -> object:
    """The values with the line of each."""
    if isinstance(value, list) and isinstance(node, yaml.SequenceNode):
        return [_with_lines(inner, inner_value, label) for inner, inner_value in zip(node.value, value, strict=True)]
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
    feeders = (config.block(f"{part}_feeder_args") for part in ("train", "test"))
    if "ctrgcn" in model or any("p_interval" in feeder for feeder in feeders):
        return "CTR-GCN"
    if "msg3d" in model:
        return "MS-G3D"
    return "yysijie/st-gcn" if model.startswith("net.") else "2s-AGCN"


def _network(config: Block, name: str, recipe: Recipe) -> bool:
    """Say class, graph and number of classes; False where the network is not here."""
    arguments = config.block("model_args")
    if name not in NETWORKS:
        recipe.refuse(f"the network {quoted(name)} is not here, only {', '.join(NETWORKS)}", config, "model")
        return False
    network, own, options = NETWORKS[name]
    recipe.say("model.class_path", f"kinegraph.models.{network}", config, "model")
    check_known(recipe, arguments, ARGUMENTS | own, "model_args")
    for option, value in options.items():
        recipe.say(f"model.init_args.{option}", value, config, "model")
    classes = arguments.get("num_class")
    if type(classes) is int and 1 < classes <= 100_000:
        recipe.classes = classes
    else:
        recipe.refuse(f"num_class is {quoted(classes)}, expected 2 or more", arguments, "num_class")
    recipe.dataset["channels"] = arguments.get("in_channels")
    if name.startswith("net."):
        _st_gcn(config, arguments, recipe)
        return True
    for theirs, ours, usual in SCALES if "msg3d" in name else ():
        if arguments.get(theirs, usual) != usual:
            recipe.say(f"model.init_args.{ours}", arguments[theirs], arguments, theirs)
    if arguments.get("drop_out"):
        recipe.say("head_dropout", arguments["drop_out"], arguments, "drop_out")
    if arguments.get("attention") is False:
        recipe.say("model.init_args.attention", False, arguments, "attention")
    if (people := arguments.get("num_person", 2)) != 2:
        recipe.say("model.init_args.people", people, arguments, "num_person")
    _graph(arguments, recipe)
    return True


def _st_gcn(config: Block, arguments: Block, recipe: Recipe) -> None:
    if "twostream" in str(config["model"]):
        how = "train two networks, streams joint and joint_motion, and fuse them"
        recipe.refuse(f"st_gcn_twostream: {how}", config, "model")
    if dropout := arguments.get("dropout"):
        recipe.say("model.init_args.dropout", dropout, arguments, "dropout")
    if arguments.get("edge_importance_weighting") is False:
        recipe.say("model.init_args.edges", "fixed", arguments, "edge_importance_weighting")
    _graph_2018(arguments.block("graph_args"), recipe)


def _graph(arguments: Block, recipe: Recipe) -> None:
    graph = arguments.get("graph")
    if graph in GRAPHS:
        say_layout(recipe, GRAPHS[graph], arguments, "graph", "graph")
    elif own := ours_of(next(iter(str(graph).split(".")[1:2]), None)):  # graph.coco17.Graph, of a user's own code
        say_ours(recipe, own, arguments, "graph", "graph")
    else:
        hint = "--cfg-options model_args.graph=graph.NAME.Graph takes one of our layouts, such as coco17"
        recipe.refuse(f"the graph {quoted(graph)} is not here, only {', '.join(GRAPHS)}; {hint}", arguments, "graph")
    settings = arguments.block("graph_args")
    check_known(recipe, settings, {"labeling_mode": ANY}, "graph_args")
    if settings.get("labeling_mode") not in SPATIAL:
        recipe.refuse("labeling_mode: only 'spatial' is here", settings, "labeling_mode")
    recipe.say("partition", "inward_outward", arguments, "graph_args", "graph_args.labeling_mode")


def _graph_2018(graph: Block, recipe: Recipe) -> None:
    check_known(recipe, graph, dict.fromkeys(("layout", "strategy", "max_hop"), ANY) | {"dilation": 1}, "graph_args")
    layout, strategy = graph.get("layout", "openpose"), graph.get("strategy", "uniform")
    if layout in LAYOUTS_0:
        say_layout(recipe, LAYOUTS_0[layout], graph, "layout", "graph_args.layout")
    elif own := ours_of(layout):  # of a user's own code
        say_ours(recipe, own, graph, "layout", "graph_args.layout")
    else:
        hint = "--cfg-options model_args.graph_args.layout=NAME takes one of them, or one of our layouts"
        what = f"graph layout {quoted(layout)} is not here, only {', '.join(LAYOUTS_0)}"
        recipe.refuse(f"{what}; {hint}", graph, "layout")
        return
    if strategy not in ("uniform", "distance", "spatial"):
        recipe.refuse(f"strategy {quoted(strategy)} is not here", graph, "strategy")
        return
    recipe.say("partition", strategy, graph, "strategy", "graph_args.strategy")
    if graph.get("max_hop", 1) != 1:
        recipe.say("max_hop", graph["max_hop"], graph, "max_hop")


def _schedule(config: Block, recipe: Recipe) -> None:
    usual = DEFAULTS[recipe.dialect]
    kind = str(config.get("optimizer", "SGD"))
    if kind not in ("SGD", "Adam"):
        recipe.refuse(f"the optimizer {quoted(kind)} is not here, only SGD and Adam", config, "optimizer")
    recipe.say("optimizer.class_path", f"torch.optim.{kind}", config, "optimizer", "optimizer")
    recipe.say("optimizer.init_args.lr", config.get("base_lr", 0.01), config, "base_lr")
    if kind != "SGD":
        recipe.leave_out(config, "nesterov", CODE)
    else:
        recipe.say("optimizer.init_args.momentum", 0.9, name="main.py")
        recipe.say("optimizer.init_args.nesterov", bool(config.get("nesterov", usual["nesterov"])), config, "nesterov")
    decay = config.get("weight_decay", usual["weight_decay"])
    recipe.say("optimizer.init_args.weight_decay", decay, config, "weight_decay")
    policy = config.block("policy")  # MS-G3D: the schedule as mmcv writes it
    known = dict.fromkeys(("step", "warmup", "warmup_iters", "warmup_ratio", "warmup_by_epoch"), ANY)
    check_known(recipe, policy, known | {"policy": "step"}, "policy")
    steps, key = (policy["step"], "policy") if "step" in policy else (config.get("step", usual["step"]), "step")
    recipe.say("schedule.kind", "step", config, key)
    recipe.say("schedule.milestones", steps if isinstance(steps, list) else [steps], config, key)
    if config.get("lr_decay_rate", 0.1) != 0.1:
        recipe.say("schedule.gamma", config["lr_decay_rate"], config, "lr_decay_rate")
    epochs, warm = config.get("num_epoch", 80), config.get("warm_up_epoch", 0)
    recipe.say("epochs", epochs, config, "num_epoch")
    if warm and type(epochs) is int:
        recipe.say("schedule.warmup", round(warm / epochs, 6), config, "warm_up_epoch")
        recipe.note("the learning rate rises step by step here, there once an epoch", config, "warm_up_epoch")
    elif policy.get("warmup"):
        old_warmup(policy, recipe)
    recipe.say("batch_size", config.get("batch_size", usual["batch_size"]), config, "batch_size")
    if config.get("train_feeder_args") and recipe.dialect != "mmskeleton":
        recipe.note("clips that are left at an epoch's end make a smaller batch here, there they are left out")
    if config.get("half"):
        recipe.say("precision", "16-mixed", config, "half")
    recipe.say("workers", min(int(config.get("num_worker", 2)), 16), config, "num_worker")


def _start(config: Block, recipe: Recipe) -> None:
    """Weights to start from, and what is trained at first."""
    weights = config.get("weights")
    if isinstance(weights, str) and weights:
        recipe.say("init_from", weights, config, "weights")
    elif weights:
        recipe.refuse(f"weights is {quoted(weights)}, expected a file", config, "weights")
    if config.get("ignore_weights"):
        recipe.note("of the weights all that fits is taken", config, "ignore_weights")
    if start := config.get("start_epoch"):
        how = "epochs are counted from the first one, also with weights; --epochs says how many are left"
        recipe.refuse(f"start_epoch is {quoted(start)}: {how}, --cfg-options start_epoch=0", config, "start_epoch")
    if config.get("only_train_part") and type(still := config.get("only_train_epoch", 0)) is int:
        recipe.say("graph_waits", still + 1, config, "only_train_epoch" if still else "only_train_part")
    size = config.get("forward_batch_size")
    if size and size != config.get("batch_size"):
        recipe.note(
            f"a batch is computed at once here, there in parts of {size}: BatchNorm sees more clips", config,
            "forward_batch_size",
        )  # fmt: skip
