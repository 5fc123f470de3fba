"""A configuration of MMAction2 0.x, MMAction2 1.x, PYSKL or ProtoGCN, as values -> a recipe in our words."""

from collections.abc import Sequence
from pathlib import Path

from kinegraph.foreign.block import Block, blocks_in
from kinegraph.foreign.networks import network
from kinegraph.foreign.pipelines import preprocessing
from kinegraph.foreign.python_config import read_python_config
from kinegraph.foreign.python_values import Imported
from kinegraph.foreign.recipe import (
    ANY,
    FETCHING,
    FOLLOWS,
    RUNNING,
    STORING,
    TESTED,
    Recipe,
    Source,
    about_training,
    check_known,
    understanding,
)
from kinegraph.foreign.schedules import (
    averaged,
    best_by,
    clipping,
    early_stop,
    loss,
    new_schedule,
    old_schedule,
    optimizer,
    wrapped_optimizer,
)
from kinegraph.messages import quoted

# fmt: off
USED = {
    "model", "data", "optimizer", "optimizer_config", "lr_config", "total_epochs", "runner", "evaluation", "work_dir",
    "load_from", "resume_from", "train_dataloader", "val_dataloader", "test_dataloader", "optim_wrapper",
    "param_scheduler", "train_cfg", "val_cfg", "auto_scale_lr", "custom_hooks", "default_hooks", "module_hooks",
    "randomness", "fp16", "amp", "resume"
}
# Keys that do not change the weights.
UNNEEDED = {
    **dict.fromkeys(["checkpoint_config", "log_config", "log_level", "log_processor", "vis_backends"], STORING),
    **dict.fromkeys(["visualizer"], STORING),
    **dict.fromkeys(["dist_params", "gpu_ids", "env_cfg", "launcher", "find_unused_parameters", "seed"], RUNNING),
    **dict.fromkeys(["cudnn_benchmark", "opencv_num_threads", "mp_start_method", "custom_imports"], RUNNING),
    **dict.fromkeys(["default_scope", "omnisource", "auto_resume"], RUNNING),
    **dict.fromkeys(["workflow", "test_cfg", "val_evaluator", "test_evaluator"], TESTED),
}
# fmt: on
# fmt: off
HARMLESS_HOOKS = {
    "TextLoggerHook", "TensorboardLoggerHook", "WandbLoggerHook", "CheckpointHook", "LoggerHook", "RuntimeInfoHook",
    "IterTimerHook", "ParamSchedulerHook", "DistSamplerSeedHook", "SyncBuffersHook", "VisualizationHook",
    "NumClassCheckHook", "EmptyCacheHook", "ProfilerHook", "MemoryProfilerHook"
}
# fmt: on
DEFAULT_HOOKS = {"runtime_info", "timer", "logger", "param_scheduler", "checkpoint", "sampler_seed", "sync_buffers"}
SCOPES = ("mmaction", "mmengine", "mmcv", "pyskl")  # a type may name the library that it is from
FETCHED = {
    **dict.fromkeys(["persistent_workers", "pin_memory", "prefetch_factor", "collate_fn", "worker_init_fn"], FETCHING),
    **dict.fromkeys(["omni_videos_per_gpu", "timeout"], FETCHING),
}
LOADER = {  # of train_dataloader (1.x) or of data (0.x, PYSKL): how clips are fetched, and what is read elsewhere
    **FETCHED,
    **dict.fromkeys(["batch_size", "num_workers", "videos_per_gpu", "workers_per_gpu", "dataset", "sampler"], ANY),
    **dict.fromkeys(["train", "val", "test", "train_dataloader"], ANY),
    **dict.fromkeys(["val_dataloader", "test_dataloader"], TESTED),
    "drop_last": False,
    "shuffle": True,
}
OF_TESTS = {  # of val_dataloader and test_dataloader (1.x)
    **FETCHED,
    **dict.fromkeys(["batch_size", "num_workers", "sampler"], TESTED),
    "dataset": ANY,
    "drop_last": False,
}
READ_BY = {
    **dict.fromkeys(["ann_file", "pipeline", "split", "data_root", "box_thr", "valid_ratio", "class_prob"], ANY),
    **dict.fromkeys(["memcached", "mc_cfg", "start_index", "modality", "data_prefix"], FETCHING),
    **dict.fromkeys(["serialize_data", "lazy_init", "max_refetch", "metainfo"], FETCHING),
    **dict.fromkeys(["num_classes", "test_mode"], FOLLOWS),
    **dict.fromkeys(["filter_cfg", "indices"]),
    **dict.fromkeys(["multi_class", "sample_by_class", "dynamic_length"], False),
    "power": 0,
}
EVALUATION = {
    **dict.fromkeys(["metrics", "metric_options", "key_indicator", "topk", "gpu_collect", "rule", "out_dir"], TESTED),
    **dict.fromkeys(["interval", "save_best", "start"], ANY),
    "by_epoch": True,
}
OF_TEST = ("model", "data.val", "data.test", "val_dataloader", "test_dataloader")  # what a test needs, too


def read_openmmlab(path: Path, cfg_options: Sequence[str], validate: bool | None) -> Recipe:
    """The recipe in a Python config. validate: as asked on the command line; None leaves it to the project's default.

    Raises ValueError for a file that cannot be read as data, or that is no config of an action recogniser.
    """
    top, left_out, used = read_python_config(path, cfg_options)
    for block in blocks_in(top):
        _without_scope(block)
    if not isinstance(top.get("model"), Block):
        raise ValueError(f"{path} has no 'model', expected a config of MMAction2, PYSKL or ProtoGCN")
    config = Block({key: value for key, value in top.items() if key in USED}, top.lines)
    recipe = Recipe(path, _dialect(top), config)
    recipe.notes += left_out
    newer = recipe.dialect == "MMAction2 1.x"
    loader = "train_dataloader" if newer else "data"
    with understanding(recipe, config, "model"):
        network(config, recipe)
    with understanding(recipe, config, "model", training=True):
        loss(config.block("model").block("cls_head"), recipe)
    if recipe.get("model.class_path") is None:
        return recipe  # nothing more is said of a network that Kinegraph does not have
    if not config.block(loader) and not config.block("test_dataloader"):
        recipe.refuse(
            "there are no data, optimizer and schedule: a config to answer with, not to train", config, "model"
        )
        return recipe
    with understanding(recipe, config, loader):
        _data(config, recipe, newer)
    with about_training(recipe):
        _training(config, recipe, newer, validate)
        _other_names(top, used, recipe)
    recipe.refuse_the_rest(OF_TEST)
    return recipe


def _without_scope(block: Block) -> None:
    """Take the name of the library from a type such as mmaction.GCNHead."""
    kind = block.get("type")
    if isinstance(kind, str) and kind.partition(".")[0] in SCOPES:
        block["type"] = type(kind)(kind.rpartition(".")[2])


def _other_names(top: Block, used: set[str], recipe: Recipe) -> None:
    """Name what no key of the project is and no other value is made of: the project does not read it."""
    for key, value in top.items():
        if key in UNNEEDED:
            recipe.leave_out(top, key, UNNEEDED[key])
        elif key not in USED and key not in used and not isinstance(value, Imported):
            recipe.note(f"'{key}' has no effect here", top, key)


def _training(config: Block, recipe: Recipe, newer: bool, validate: bool | None) -> None:
    """Say batches, optimizer, schedule, validation and hooks."""
    loader = "train_dataloader" if newer else "data"
    with understanding(recipe, config, loader):
        _sizes(config, config.block(loader), recipe, newer)
    if "train" in recipe.parts or "optimizer" in config or "optim_wrapper" in config:  # a file for tests has none
        with understanding(recipe, config, "optim_wrapper" if newer else "optimizer"):
            (wrapped_optimizer if newer else _optimizer)(config, recipe)
        with understanding(recipe, config, "param_scheduler" if newer else "lr_config"):
            (new_schedule if newer else old_schedule)(config, recipe)
    with understanding(recipe, config, "train_cfg" if newer else "evaluation"):
        _validation(config, recipe, newer, validate)
    with understanding(recipe, config, "custom_hooks"):
        _runtime(config, recipe)


def _optimizer(config: Block, recipe: Recipe) -> None:
    optimizer(config.block("optimizer"), recipe)
    block = config.block("optimizer_config")
    check_known(
        recipe, block, {"grad_clip": ANY, "detect_anomalous_params": RUNNING, "loss_scale": RUNNING}, "optimizer_config"
    )
    kind = block.get("type", "OptimizerHook")
    if kind in ("Fp16OptimizerHook", "GradientCumulativeFp16OptimizerHook"):
        recipe.say("precision", "16-mixed", block)
    elif kind not in ("OptimizerHook", "DistOptimizerHook"):
        recipe.refuse(f"optimizer_config {quoted(kind)} is not here", block)
    clipping(block, recipe, "grad_clip")


def _dialect(config: Block) -> str:
    if any(key in config for key in ("train_dataloader", "optim_wrapper", "default_scope", "param_scheduler")):
        return "MMAction2 1.x"
    if config.block("model").get("type") == "RecognizerGCN":
        backbone = config.block("model").block("backbone").get("type")
        return "ProtoGCN" if backbone == "ProtoGCN" else "PYSKL"
    return "MMAction2 0.x"


# ---- clips -----------------------------------------------------------------------------------------------------------


def _data(config: Block, recipe: Recipe, newer: bool) -> None:
    """Say sources, pipelines and how often an epoch passes over them."""
    found: dict[str, tuple[Block, str]] = {}
    for part in ("train", "val", "test"):
        loader = config.block(f"{part}_dataloader") if newer else config.block("data")
        key, start = ("dataset", f"{part}_dataloader.") if newer else (part, "data.")
        if newer and part != "train":
            with about_training(recipe, only=False):
                check_known(recipe, loader, OF_TESTS, f"{part}_dataloader")
        if loader.block(key):
            found[part] = _unwrapped(loader.block(key), f"{start}{key}", part, recipe)
    if "train" not in found:
        recipe.refuse("there is no dataset to train on", config, "train_dataloader" if newer else "data", training=True)
    for part, (block, name) in found.items():
        with about_training(recipe, only=part == "train"):
            _source(part, block, name, recipe)
    splits = [recipe.parts[part].split for part in ("train", "val") if part in recipe.parts]
    recipe.dataset["splits"] = splits
    pipelines = (found.get(part, (Block(), ""))[0].get("pipeline") for part in ("train", "val", "test"))
    train, val, test = (list(steps) if isinstance(steps, list | tuple) else None for steps in pipelines)
    if "train" in found and train is None:
        recipe.refuse("the training data have no pipeline", found["train"][0], "pipeline")
    elif train is not None or test is not None:
        preprocessing(train or test or [], val, test, recipe)
    recipe.dataset["units"] = _units(recipe)


def _units(recipe: Recipe) -> str:
    """Units in which the reader leaves coordinates as they are stored, as there."""
    if str(recipe.get("preprocessing.normalize")).startswith("image"):
        return "px"
    return "m" if recipe.dataset.get("dimensions") == 3 else "normalised"


def _unwrapped(block: Block, name: str, part: str, recipe: Recipe) -> tuple[Block, str]:
    """The dataset inside of RepeatDataset, and its name for --cfg-options."""
    if block.get("type") == "RepeatDataset":
        if part == "train":
            recipe.say("repeat", block.get("times", 1), block, "times", "RepeatDataset.times")
        return _unwrapped(block.block("dataset"), f"{name}.dataset", part, recipe)
    if block.get("type") != "PoseDataset":
        recipe.refuse(f"the dataset {quoted(block.get('type'))} is not here, expected PoseDataset", block)
    return block, name


def _source(part: str, block: Block, name: str, recipe: Recipe) -> None:
    check_known(recipe, block, READ_BY, f"the {part} data")
    path, split = block.get("ann_file"), block.get("split")
    if path is None and part != "train":
        return  # the command that needs the part says so
    if not isinstance(path, str) or not isinstance(split, str | None):
        recipe.refuse(f"ann_file is {quoted(path)}, expected a .pkl", block, "ann_file")
        return
    if block.get("valid_ratio"):
        recipe.refuse("valid_ratio: clips are not left out by their frames with a person", block, "valid_ratio")
    if block.get("class_prob") is not None:
        how = f"--sample class_balanced draws all equally often, --cfg-options {name}.class_prob=None goes on without"
        recipe.refuse(f"class_prob, how often clips of each class are drawn, is not here; {how}", block, "class_prob")
    if isinstance(root := block.get("data_root"), str):
        path = str(Path(root, path))
    recipe.parts[part] = Source(path, split, block.line("ann_file"), f"{name}.ann_file")
    if block.get("box_thr") is not None and not block.get("valid_ratio"):
        recipe.note("box_thr leaves out no skeleton, as there without a valid_ratio above 0", block, "box_thr")


# ---- the rest --------------------------------------------------------------------------------------------------------


def _sizes(config: Block, loader: Block, recipe: Recipe, newer: bool) -> None:
    size, workers = ("batch_size", "num_workers") if newer else ("videos_per_gpu", "workers_per_gpu")
    if not newer and "train_dataloader" in loader:
        loader = recipe.copied(loader, loader.block("train_dataloader"), without=["train_dataloader"])
    check_known(recipe, loader, LOADER, "the training data")
    sampler = loader.block("sampler")
    check_known(recipe, sampler, {"shuffle": True, "round_up": RUNNING, "seed": None}, "sampler")
    if sampler and str(sampler.get("type")).rpartition(".")[2] != "DefaultSampler":
        recipe.refuse(
            f"the sampler {quoted(sampler.get('type'))} is not here; --sample says how clips are drawn", sampler
        )
    if type(loader.get(size)) is int:
        recipe.say("batch_size", loader[size], loader, size)
    else:
        recipe.refuse(f"{size} is {quoted(loader.get(size))}, expected the clips a step", loader, size)
    if type(loader.get(workers)) is int:
        recipe.say("workers", loader[workers], loader, workers)
    scale = config.block("auto_scale_lr")
    if type(base := scale.get("base_batch_size")) is int:
        if scale.get("enable"):
            recipe.say("base_batch_size", base, scale, "base_batch_size")
        elif base != loader.get(size):
            how = "--auto-scale-lr scales it"
            recipe.note(f"the learning rate is meant for {base} clips a step; {how}", scale, "base_batch_size")
        recipe.dataset["base_batch_size"] = base


def _validation(config: Block, recipe: Recipe, newer: bool, validate: bool | None) -> None:
    """0.x and PYSKL validate only with --validate, 1.x unless --no-validate."""
    check_known(recipe, config.block("evaluation"), EVALUATION, "evaluation")
    block, key = (config.block("train_cfg"), "val_interval") if newer else (config.block("evaluation"), "interval")
    before = config.block("val_cfg")  # where the interval stood before 1.0
    check_known(recipe, before, {"type": "ValLoop", "fp16": RUNNING, "interval": ANY}, "val_cfg")
    if "interval" in before:
        block, key = before, "interval"
    if validate is None:
        validate = newer and "val" in recipe.parts
    recipe.say("validate", validate, name="by default" if newer else "as --validate says")
    interval = block.get(key, 1)
    if validate and type(interval) is int and interval > 1:
        recipe.say("validate_every", interval, block, key)
    first, since = (config.block("train_cfg"), "val_begin") if newer else (block, "start")
    if first.get(since, 1) not in (None, 0, 1):
        recipe.note("validation begins in the first epoch here", first, since)
    best_by(block if not newer else config.block("default_hooks").block("checkpoint"), "save_best", recipe)


def _runtime(config: Block, recipe: Recipe) -> None:
    for key in ("custom_hooks", "module_hooks"):
        hooks = config.get(key) or []
        for hook in hooks if isinstance(hooks, list | tuple) else [hooks]:
            _hook(hook, config, key, f"--cfg-options {key}=[] does without", recipe)
    defaults = config.block("default_hooks")
    for key in list(defaults):
        hook = defaults[key]
        if isinstance(hook, Block) and "type" in hook:
            _hook(hook, defaults, key, f"--cfg-options default_hooks.{key}=None does without", recipe)
        elif key in DEFAULT_HOOKS or hook is None:
            recipe.leave_out(defaults, key, STORING)
        else:
            recipe.refuse(f"default_hooks: '{key}' is not known here", defaults, key)
    _randomness(config.block("randomness"), recipe)
    for key in ("fp16", "amp"):
        if config.get(key):
            recipe.say("precision", "16-mixed", config, key)
            recipe.leave_out(config.block(key), "loss_scale", RUNNING)
    if config.get("resume"):
        recipe.note("resume: --work-dir RUN --resume goes on with a run of Kinegraph", config, "resume")
    if load := config.get("load_from"):
        recipe.say("init_from", str(load), config, "load_from")
    if config.get("resume_from"):
        how = "--work-dir RUN --resume goes on with a run of Kinegraph, --cfg-options resume_from=None begins anew"
        recipe.refuse(f"resume_from: {how}", config, "resume_from")
    if isinstance(folder := config.get("work_dir"), Imported):
        recipe.note(f"work_dir is {folder}, and no import is followed; --work-dir names it", config, "work_dir")
    elif isinstance(folder, str):
        recipe.work_dir = folder


def _hook(hook: object, block: Block, key: str, without: str, recipe: Recipe) -> None:
    kind = str(hook.get("type")) if isinstance(hook, Block) else quoted(hook)
    if isinstance(hook, Block) and kind == "OptimizerHook":  # before `optim_wrapper` it stood among the hooks
        clipping(hook, recipe, "grad_clip")
    elif isinstance(hook, Block) and kind == "EarlyStoppingHook":
        early_stop(hook, recipe)
    elif isinstance(hook, Block) and kind.rpartition(".")[2] == "EMAHook":
        averaged(hook, recipe)
    elif kind.rpartition(".")[2] not in HARMLESS_HOOKS:
        recipe.refuse(f"the hook {kind} is not here; {without}", block, key)
    elif key == "custom_hooks":
        recipe.note(f"the hook {kind} is left out", block, key)
    if isinstance(hook, Block) and kind.rpartition(".")[2] in HARMLESS_HOOKS:
        for inside, name in [(hook, name) for name in hook] if key == "custom_hooks" else [(block, key)]:
            recipe.leave_out(inside, name, STORING)


def _randomness(block: Block, recipe: Recipe) -> None:
    if type(seed := block.get("seed")) is int:
        recipe.say("seed", seed, block, "seed", "randomness.seed")
    recipe.leave_out(block, "diff_rank_seed", RUNNING)
    if block.get("deterministic"):
        recipe.say("deterministic", True, block, "deterministic", "randomness.deterministic")
