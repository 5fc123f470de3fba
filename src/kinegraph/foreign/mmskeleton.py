"""The YAML files of open-mmlab/mmskeleton with yysijie/st-gcn's network and arrays -> a recipe in our words."""

from collections.abc import Sequence
from pathlib import Path

from kinegraph.foreign.block import Block
from kinegraph.foreign.main_py import keys_of, say_training, yaml_block
from kinegraph.foreign.recipe import ANY, RUNNING, STORING, Recipe, check_known, understanding
from kinegraph.messages import quoted

MARK = "processor_cfg"
NETWORKS = ("ST_GCN_18", "ST_GCN_AAAI18")  # two names of the network of 2018
FEEDER = "SkeletonFeeder"
OF_TEST = ("model", "feeder", "test_feeder_args", f"{MARK}.dataset_cfg")  # what a test needs, too
ARGUMENTS = "argparse_cfg"  # options of the command line, each bound to a key
PROCESSOR: dict[str, object] = {
    **dict.fromkeys(["model_cfg", "dataset_cfg", "batch_size", "optimizer_cfg", "workflow", "work_dir"], ANY),
    **dict.fromkeys(["total_epochs", "training_hooks", "load_from", "workers", "resume_from", "loss_cfg"], ANY),
    **dict.fromkeys(["gpu_batch_size", "checkpoint"], ANY),
    **dict.fromkeys(["type", "name", "gpus"], RUNNING),
    "log_level": STORING,
}
HOOKS: dict[str, object] = {
    "lr_config": ANY,
    "log_config": STORING,
    "checkpoint_config": STORING,
    "optimizer_config": None,
}


def is_mmskeleton(path: Path) -> bool:
    return MARK in keys_of(path)


def read_mmskeleton(path: Path, changes: Sequence[str] = (), validate: bool | None = None) -> Recipe:
    """The recipe in a YAML file. changes: as --cfg-options, such as processor_cfg.batch_size=32."""
    top = yaml_block(path, changes)
    recipe, config = Recipe(path, "mmskeleton", top), top.block(MARK)
    with understanding(recipe, top, MARK):
        check_known(recipe, top, {MARK: ANY, ARGUMENTS: ANY, "description": STORING}, path.name)
        _take_defaults(top)
        check_known(recipe, config, PROCESSOR, MARK)
        check_known(recipe, config.block("training_hooks"), HOOKS, "training_hooks")
        network = _class(config.block("model_cfg"))
        if network not in NETWORKS:
            known = " and ".join(NETWORKS)
            recipe.refuse(f"the network {quoted(network)} is not here, only {known}", config, "model_cfg")
            return recipe
        theirs = _as_main_py(config, recipe)
        say_training(theirs, recipe, validate)
        _say_more(config, recipe)
        recipe.refuse_the_rest(OF_TEST)
    return recipe


def _take_defaults(top: Block) -> None:
    """Put the defaults of options where they are bound to, if there is no value."""
    arguments = top.block(ARGUMENTS)
    for name in arguments:
        option = arguments.block(name)
        *groups, key = str(option.get("bind_to")).split(".")
        block, default = top, option.get("default")
        for group in groups:
            block = block.block(group)
        if default is not None and block.get(key) is None:
            block.put(key, default, option.line("default"))
        option.complete.update(["help", "type", "choices", "required"] + ["bind_to"] * (default is None))


def _class(block: Block) -> str:
    """The last part of a class by its older or newer key."""
    return str(block.get("type", block.get("name", ""))).rpartition(".")[2]


def _as_main_py(config: Block, recipe: Recipe) -> Block:
    """The same settings in the words of yysijie/st-gcn's main.py, each with its line."""
    model, optimizer = config.block("model_cfg"), config.block("optimizer_cfg")
    arguments = Block()
    for key in list(model):
        if key not in ("type", "name"):
            arguments.put({"graph_cfg": "graph_args"}.get(key, key), model[key], model.line(key))
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
    if (of_gpu := config.get("gpu_batch_size")) and "batch_size" not in result:
        result.put("batch_size", of_gpu * max(config.get("gpus", 1), 1), config.line("gpu_batch_size"))
    for key, ours in (("work_dir", "work_dir"), ("checkpoint", "weights"), ("load_from", "weights")):
        if config.get(key):
            result.put(ours, config[key], config.line(key))
    recipe.copies.append(result)
    return result


def _feeder(part: object, config: Block, recipe: Recipe) -> Block:
    """The settings of a feeder of arrays. Clips from files of its own format, and steps over them, are refused."""
    block = part if isinstance(part, Block) else Block()
    if (kind := _class(block)) != FEEDER:
        recipe.refuse(
            f"the data {quoted(kind)} are not here, only {FEEDER}: arrays as train_data.npy", config, "dataset_cfg"
        )
    return block.copy_of(without=["type", "name", "mmap"])


def _say_more(config: Block, recipe: Recipe) -> None:
    """What main.py does not have."""
    if (momentum := config.block("optimizer_cfg").get("momentum", 0)) and recipe.get("optimizer.init_args.momentum"):
        recipe.say("optimizer.init_args.momentum", momentum, config.block("optimizer_cfg"), "momentum")
    if config.get("resume_from"):
        recipe.refuse("resume_from: --work-dir RUN --resume goes on with a run of Kinegraph", config, "resume_from")
    if _class(config.block("loss_cfg")) not in ("", "CrossEntropyLoss"):
        recipe.refuse(f"the loss {quoted(_class(config.block('loss_cfg')))} is not here", config, "loss_cfg")
    schedule = config.block("training_hooks").block("lr_config")
    check_known(recipe, schedule, {"policy": ANY, "step": ANY}, "lr_config")
    policy = schedule.get("policy", "step")
    if policy != "step":
        recipe.refuse(f"lr_config: policy {quoted(policy)} is not here", config, "training_hooks")
    between = [int(phase[1]) for phase in config.get("workflow") or [] if phase[0] == "train"]
    if recipe.get("validate") and between and between[0] > 1:
        recipe.say("validate_every", between[0], config, "workflow")
