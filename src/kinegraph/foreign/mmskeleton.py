"""The YAML files of open-mmlab/mmskeleton with yysijie/st-gcn's network and arrays -> a recipe in our words."""

from collections.abc import Sequence
from pathlib import Path

from kinegraph.foreign.block import Block
from kinegraph.foreign.main_py import keys_of, say_training, yaml_block
from kinegraph.foreign.recipe import ANY, Recipe, check_known, understanding
from kinegraph.messages import quoted

MARK = "processor_cfg"
NETWORKS = ("ST_GCN_18", "ST_GCN_AAAI18")  # two names of the network of 2018
FEEDER = "SkeletonFeeder"
PROCESSOR: dict[str, object] = {
    **dict.fromkeys(["type", "name", "model_cfg", "dataset_cfg", "batch_size", "gpu_batch_size", "gpus"], ANY),
    **dict.fromkeys(["optimizer_cfg", "workflow", "work_dir", "log_level", "total_epochs", "training_hooks"], ANY),
    **dict.fromkeys(["load_from", "checkpoint", "workers", "resume_from", "loss_cfg"], ANY),
}


def is_mmskeleton(path: Path) -> bool:
    return MARK in keys_of(path)


def read_mmskeleton(path: Path, changes: Sequence[str] = (), validate: bool | None = None) -> Recipe:
    """The recipe in a YAML file. changes: as --cfg-options, such as processor_cfg.batch_size=32."""
    config = yaml_block(path, changes).block(MARK)
    recipe = Recipe(path, "mmskeleton")
    with understanding(recipe, config, MARK):
        check_known(recipe, config, PROCESSOR, MARK)
        network = _class(config.block("model_cfg"))
        if network not in NETWORKS:
            known = " and ".join(NETWORKS)
            recipe.refuse(f"the network {quoted(network)} is not here, only {known}", config, "model_cfg")
            return recipe
        theirs = _as_main_py(config, recipe)
        say_training(theirs, recipe, validate)
        _say_more(config, recipe)
    return recipe


def _class(block: Block) -> str:
    """The last part of a class by its older or newer key."""
    return str(block.get("type", block.get("name", ""))).rpartition(".")[2]


def _as_main_py(config: Block, recipe: Recipe) -> Block:
    """The same settings in the words of yysijie/st-gcn's main.py, each with its line."""
    model, optimizer = config.block("model_cfg"), config.block("optimizer_cfg")
    arguments = Block()
    for key, value in model.items():
        if key not in ("type", "name"):
            arguments.put({"graph_cfg": "graph_args"}.get(key, key), value, model.line(key))
    result = Block({"model": "net.st_gcn.Model"}, {"model": config.line("model_cfg")})
    result.put("model_args", arguments, config.line("model_cfg"))
    parts = config.get("dataset_cfg")
    parts = parts if isinstance(parts, list) else [parts]
    for name, part in zip(("train", "test") if len(parts) > 1 else ("test",), parts, strict=False):
        result.put(f"{name}_feeder_args", _feeder(part, config, recipe), config.line("dataset_cfg"))
    for key, ours in (("lr", "base_lr"), ("nesterov", "nesterov"), ("weight_decay", "weight_decay")):
        if key in optimizer:
            result.put(ours, optimizer[key], optimizer.line(key))
    result.put("optimizer", _class(optimizer) or "SGD", config.line("optimizer_cfg"))
    schedule = config.block("training_hooks").block("lr_config")
    result.put("step", schedule.get("step", []), schedule.line("step"))
    for key, ours in (("total_epochs", "num_epoch"), ("batch_size", "batch_size"), ("workers", "num_worker")):
        if config.get(key):
            result.put(ours, config[key], config.line(key))
    for key, ours in (("work_dir", "work_dir"), ("load_from", "weights")):
        if config.get(key):
            result.put(ours, config[key], config.line(key))
    return result


def _feeder(part: object, config: Block, recipe: Recipe) -> Block:
    """The settings of a feeder of arrays. Clips from files of its own format, and steps over them, are refused."""
    block = Block(part) if isinstance(part, dict) else Block()
    if (kind := _class(block)) != FEEDER:
        recipe.refuse(
            f"the data {quoted(kind)} are not here, only {FEEDER}: arrays as train_data.npy", config, "dataset_cfg"
        )
    return Block({key: value for key, value in block.items() if key not in ("type", "name", "mmap")}, block.lines)


def _say_more(config: Block, recipe: Recipe) -> None:
    """What main.py does not have."""
    if (momentum := config.block("optimizer_cfg").get("momentum", 0)) and recipe.get("optimizer.init_args.momentum"):
        recipe.say("optimizer.init_args.momentum", momentum, config.block("optimizer_cfg"), "momentum")
    if config.get("resume_from"):
        recipe.refuse("resume_from: --work-dir RUN --resume goes on with a run of Kinegraph", config, "resume_from")
    if _class(config.block("loss_cfg")) not in ("", "CrossEntropyLoss"):
        recipe.refuse(f"the loss {quoted(_class(config.block('loss_cfg')))} is not here", config, "loss_cfg")
    policy = config.block("training_hooks").block("lr_config").get("policy", "step")
    if policy != "step":
        recipe.refuse(f"lr_config: policy {quoted(policy)} is not here", config, "training_hooks")
    between = [int(it[1]) for it in config.get("workflow") or [] if it[0] == "train"]
    if recipe.get("validate") and between and between[0] > 1:
        recipe.say("validate_every", between[0], config, "workflow")
