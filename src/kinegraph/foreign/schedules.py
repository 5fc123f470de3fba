"""Loss, optimizer, learning rate and epochs of MMAction2, PYSKL and ProtoGCN -> ours."""

from inspect import signature
from typing import Any

import torch

from kinegraph.allowed import OPTIMIZERS
from kinegraph.foreign.block import Block
from kinegraph.foreign.recipe import ANY, CODE, FOLLOWS, RUNNING, Recipe, check_known
from kinegraph.messages import quoted

LOSSES = ("CrossEntropyLoss", "CBFocalLoss", "BCELossWithLogits")
SCHEDULERS = ("MultiStepLR", "StepLR", "CosineAnnealingLR", "LinearLR from the first epoch on")
# Options of our default optimizer. Another class keeps their values where the config gives none, so all are said.
CARRIED = ("lr", "momentum", "nesterov", "weight_decay")


def loss(head: Block, recipe: Recipe) -> None:
    """Say the loss of a head; cross entropy where it names none."""
    block = head.block("loss_cls")
    kind = block.get("type", "CrossEntropyLoss")
    smoothing = head.get("label_smooth_eps", 0.0)
    if block.get("loss_weight", 1.0) != 1.0:
        recipe.refuse("loss_weight is not 1, which scales the learning rate", block, "loss_weight")
    settings: dict[str, tuple[Any, str]] = {}
    if kind == "CrossEntropyLoss":
        check_known(recipe, block, {"loss_weight": ANY, "class_weight": ANY}, kind)
        if block.get("class_weight") is not None:
            settings["class_weights"] = (list(block["class_weight"]), "class_weight")
        name = "CrossEntropy"
    elif kind == "CBFocalLoss":
        check_known(recipe, block, {"loss_weight": ANY, "samples_per_cls": ANY, "beta": ANY, "gamma": ANY}, kind)
        settings |= {key: (block[key], key) for key in ("beta", "gamma") if key in block}
        settings["clips_of_class"] = (list(block.get("samples_per_cls", ())), "samples_per_cls")
        recipe.note(
            "samples_per_cls is taken as it stands; BABEL's lists seem to be in another order than the classes, "
            "--loss.clips_of_class null counts the training clips instead", block, "samples_per_cls",
        )  # fmt: skip
        name = "ClassBalancedFocalLoss"
    elif kind == "BCELossWithLogits":
        check_known(recipe, block, {"loss_weight": ANY, "class_weight": None}, kind)
        name = "BinaryCrossEntropy"
    else:
        recipe.refuse(f"the loss {quoted(kind)} is not here, only {', '.join(LOSSES)}", block)
        return
    if smoothing and recipe.dialect != "MMAction2 1.x":
        recipe.note("label_smooth_eps has no effect here, as there without multi_class", head, "label_smooth_eps")
    elif smoothing:
        settings["label_smoothing"] = (smoothing, "label_smooth_eps")
        if "class_weights" in settings:
            what = "the mean is over the weights of the clips' own classes here, there over those of smoothed labels"
            recipe.note(f"label_smooth_eps with class_weight: {what}", head, "label_smooth_eps")
    if name == "CrossEntropy" and not settings:
        return  # the default
    recipe.say("loss.class_path", f"kinegraph.training.losses.{name}", block, "type", "loss_cls.type")
    for option, (value, key) in settings.items():
        recipe.say(f"loss.init_args.{option}", value, block, key, f"loss_cls.{key}")


def optimizer(block: Block, recipe: Recipe) -> None:
    """Say an optimizer of torch and its settings."""
    kind = str(block.get("type"))
    name = f"torch.optim.{kind}"
    if name not in OPTIMIZERS:
        known = ", ".join(optimizer.rpartition(".")[2] for optimizer in OPTIMIZERS[1:])
        recipe.refuse(f"the optimizer {quoted(block.get('type'))} is not here, only {known}", block)
        return
    recipe.say("optimizer.class_path", name, block, "type", "optimizer.type")
    usual = signature(getattr(torch.optim, kind)).parameters
    check_known(recipe, block, dict.fromkeys(usual, ANY) | {"paramwise_cfg": None}, "the optimizer")
    for key in (name for name in block if name in usual):
        value = block[key]
        value = list(value) if isinstance(value, tuple) else value
        recipe.say(f"optimizer.init_args.{key}", value, block, key, f"optimizer.{key}")
    for key in CARRIED:
        if key in usual and key not in block:
            recipe.say(f"optimizer.init_args.{key}", usual[key].default, name=f"{key} of torch's {kind}")


def clipping(block: Block, recipe: Recipe, key: str) -> None:
    """Say the largest norm of the gradients, from grad_clip or clip_grad."""
    clip = block.block(key)
    if not clip:
        return
    check_known(recipe, clip, {"max_norm": ANY, "norm_type": 2, "error_if_nonfinite": RUNNING}, key)
    if clip.get("max_norm"):
        recipe.say("clip_gradients", float(clip["max_norm"]), clip, "max_norm", f"{key}.max_norm")


def early_stop(hook: Block, recipe: Recipe) -> None:
    """EarlyStoppingHook: an end after so many validations without a better one."""
    known = dict.fromkeys(("priority", "strict", "check_finite"), RUNNING) | {"rule": FOLLOWS}
    known |= {"monitor": ANY, "min_delta": ANY, "patience": ANY, "stopping_threshold": None}
    check_known(recipe, hook, known, "the hook")
    every = recipe.get("validate_every", 1)
    recipe.say("early_stop", hook.get("patience", 5) * every, hook, "patience", "EarlyStoppingHook.patience")
    least = hook.get("min_delta", 0.1)
    if least:
        recipe.note(f"any better validation counts here, there one that is better by {least:g}", hook, "min_delta")
    best_by(hook, "monitor", recipe)


def averaged(hook: Block, recipe: Recipe) -> None:
    """EMAHook of MMEngine: an average of the weights that is validated and written."""
    known = dict.fromkeys(("priority", "strict_load"), RUNNING) | {"momentum": ANY, "update_buffers": ANY}
    known |= {"ema_type": "ExponentialMovingAverage", "begin_iter": 0, "begin_epoch": 0}
    check_known(recipe, hook, known, "the hook")
    momentum = hook.get("momentum", 0.0002)
    recipe.say("ema", 1 - momentum, hook, "momentum", "1 - EMAHook.momentum")
    recipe.note(
        "the average weighs the first steps more here, until about 9 / momentum of them are done", hook, "momentum"
    )
    if not hook.get("update_buffers"):
        recipe.note("the running statistics of norms are averaged too, there they are copied", hook, "update_buffers")


def best_by(block: Block, key: str, recipe: Recipe) -> None:
    """Set `monitor`, the figure that chooses the best weights, from its name in the other project."""
    name = block.get(key)
    if "mean" in str(name):
        recipe.say("monitor", "mean_class_accuracy", block, key)
    elif name not in (None, False, True, "auto") and "top1" not in str(name):
        recipe.note(f"{key} {quoted(name)}: here top1 says which weights are the best, or --monitor", block, key)


# ---- learning rate: MMAction2 0.x, PYSKL, ProtoGCN -------------------------------------------------------------------


def old_schedule(config: Block, recipe: Recipe) -> None:
    """lr_config and the number of epochs."""
    block = config.block("lr_config")
    policy = str(block.get("policy", "fixed")).lower()
    known: dict[str, object] = {"policy": ANY, "by_epoch": ANY, "step": ANY, "gamma": ANY, "min_lr": ANY}
    known |= {key: ANY for key in ("warmup", "warmup_iters", "warmup_ratio", "warmup_by_epoch")}
    known |= {"min_lr_ratio": ANY}
    check_known(recipe, block, known, "lr_config")
    _epochs(config, recipe)
    by_epoch = block.get("by_epoch", True)
    if policy == "step":
        if by_epoch is False:
            recipe.refuse("by_epoch is False: the steps of the learning rate are counted in epochs here", block, "step")
        every, epochs = block.get("step", ()), recipe.get("epochs", 0)
        again = type(every) is int and every > 0  # mmcv: after every so many epochs
        _milestones(range(every, epochs, every) if again else every, block, "step", recipe)
        if block.get("gamma", 0.1) != 0.1:
            recipe.say("schedule.gamma", block["gamma"], block, "gamma", "lr_config.gamma")
    elif policy == "cosineannealing":
        _cosine(block, "policy", "min_lr", recipe)
        _once_an_epoch(by_epoch, block, "policy", recipe)
    elif policy == "fixed":
        recipe.say("schedule.kind", "step", config, "lr_config", "no steps")
    else:
        known_ones = "only step, CosineAnnealing and fixed"
        recipe.refuse(f"lr_config: policy {quoted(block['policy'])} is not here, {known_ones}", block, "policy")
    if block.get("warmup"):
        old_warmup(block, recipe)


def _epochs(config: Block, recipe: Recipe) -> None:
    runner = config.block("runner")
    if runner.get("type", "EpochBasedRunner") != "EpochBasedRunner":
        recipe.refuse(f"runner {quoted(runner['type'])}: training is counted in epochs here", runner)
    block, key = (runner, "max_epochs") if "max_epochs" in runner else (config, "total_epochs")
    if block is runner:
        recipe.leave_out(config, "total_epochs", CODE)  # mmcv: the runner's count
    _say_epochs(block.get(key), block, key, recipe)


def _say_epochs(epochs: object, block: Block, key: str, recipe: Recipe) -> None:
    if type(epochs) is not int or epochs < 1:
        recipe.refuse(f"{key} is {quoted(epochs)}, expected the number of epochs", block, key)
    else:
        recipe.say("epochs", epochs, block, key)


def _milestones(steps: object, block: Block, key: str, recipe: Recipe) -> None:
    epochs = list(steps) if isinstance(steps, list | tuple | range) else [steps]
    if not all(type(epoch) in (int, float) for epoch in epochs):
        recipe.refuse(f"{key} is {quoted(steps)}, expected epochs", block, key)
        return
    recipe.say("schedule.kind", "step", block, key)
    recipe.say("schedule.milestones", epochs, block, key)


def _cosine(block: Block, key: str, least: str, recipe: Recipe) -> None:
    """least: the setting with the rate at the end; with `_ratio` behind it, its share of the first one."""
    recipe.say("schedule.kind", "cosine", block, key)
    rate, share = recipe.get("optimizer.init_args.lr"), block.get(f"{least}_ratio")
    if share:
        recipe.say("schedule.floor", share, block, f"{least}_ratio")
    elif block.get(least) and rate:
        recipe.say("schedule.floor", round(block[least] / rate, 6), block, least)


def _once_an_epoch(there: object, block: Block, key: str, recipe: Recipe) -> None:
    if there:
        recipe.note("the learning rate changes with every step here, there once an epoch", block, key)


def old_warmup(block: Block, recipe: Recipe) -> None:
    """warmup, warmup_iters, warmup_ratio and warmup_by_epoch of mmcv."""
    epochs, count = recipe.get("epochs"), block.get("warmup_iters", 0)
    if block["warmup"] != "linear":
        recipe.refuse(f"warmup {quoted(block['warmup'])} is not here, expected 'linear'", block, "warmup")
        return
    by_epoch = block.get("warmup_by_epoch", False)
    _say_warmup(count / epochs if by_epoch else count, block.get("warmup_ratio", 0.1), block, "warmup_iters", recipe)
    if recipe.get("schedule.kind") == "cosine":
        recipe.note("the cosine begins after the rise here, there with the first step", block, "warmup")


def _say_warmup(length: float, start: float, block: Block, key: str, recipe: Recipe) -> None:
    """length: a share of all steps, or from 1 on a number of steps."""
    recipe.say("schedule.warmup" if length < 1 else "schedule.warmup_steps", round(length, 6), block, key)
    if start > 0.01:
        recipe.note(f"the learning rate rises from 0 here, there from {start:g} of its value", block, key)


# ---- learning rate: MMAction2 1.x ------------------------------------------------------------------------------------


def new_schedule(config: Block, recipe: Recipe) -> None:
    """param_scheduler and train_cfg."""
    loop = config.block("train_cfg")
    known = {"type": ANY, "max_epochs": ANY, "val_begin": ANY, "val_interval": ANY, "by_epoch": True}
    check_known(recipe, loop, known, "train_cfg")
    if str(loop.get("type", "EpochBasedTrainLoop")).rpartition(".")[2] != "EpochBasedTrainLoop":
        recipe.refuse(f"train_cfg {quoted(loop['type'])}: training is counted in epochs here", loop)
    _say_epochs(loop.get("max_epochs"), loop, "max_epochs", recipe)
    parts = config.get("param_scheduler") or []
    for block in parts if isinstance(parts, list | tuple) else [parts]:
        if isinstance(block, Block):
            _scheduler(block, recipe)
    if "schedule.kind" not in recipe.options:
        recipe.say("schedule.kind", "step", config, "param_scheduler", "no param_scheduler")


def _scheduler(block: Block, recipe: Recipe) -> None:
    kind, epochs = str(block.get("type")).rpartition(".")[2], recipe.get("epochs")
    begin, end, by_epoch = block.get("begin", 0), block.get("end", epochs), block.get("by_epoch", True)
    usual: dict[str, object] = {"begin": ANY, "end": ANY, "by_epoch": ANY, "convert_to_iter_based": ANY}
    if kind in ("MultiStepLR", "StepLR") and by_epoch:
        _steps(kind, block, begin, usual, recipe)
    elif kind == "CosineAnnealingLR" and (by_epoch or "T_max" not in block):
        check_known(recipe, block, usual | {"T_max": ANY, "eta_min": ANY, "eta_min_ratio": ANY}, kind)
        _cosine(block, "type", "eta_min", recipe)
        _once_an_epoch(by_epoch and not block.get("convert_to_iter_based"), block, "type", recipe)
        last = begin + block.get("T_max", epochs or 0) if by_epoch else epochs
        if by_epoch and epochs and type(end) is int and end < epochs:
            what = f"the rate stays from epoch {end} of {epochs} on, here the cosine goes on"
            recipe.refuse(f"{what}; --cfg-options train_cfg.max_epochs={end} ends there", block, "end")
        elif epochs and last != epochs:
            recipe.say("schedule.period", last, block, "T_max")
            if last < epochs:
                recipe.note(f"the cosine ends in epoch {last} of {epochs} and rises again, as there", block, "T_max")
        if begin == 0 and any(name.startswith("schedule.warmup") for name in recipe.options):
            recipe.note("the cosine begins after the rise here, there with the first step", block)
    elif kind in ("MultiStepLR", "StepLR", "CosineAnnealingLR"):
        recipe.refuse(f"{kind} counts steps with by_epoch=False, here epochs are counted", block, "by_epoch")
    elif kind == "LinearLR" and begin == 0 and epochs and type(end) is int:
        known = {"start_factor": ANY, "end_factor": 1.0}
        check_known(recipe, block, usual | known, kind)
        length = end / epochs if by_epoch else end
        _once_an_epoch(by_epoch and not block.get("convert_to_iter_based"), block, "type", recipe)
        _say_warmup(length, block.get("start_factor", 1 / 3), block, "end", recipe)
    else:
        recipe.refuse(f"the scheduler {quoted(block.get('type'))} is not here, only {', '.join(SCHEDULERS)}", block)


def _steps(kind: str, block: Block, begin: int, usual: dict[str, object], recipe: Recipe) -> None:
    """MultiStepLR and StepLR, in epochs."""
    key = "milestones" if kind == "MultiStepLR" else "step_size"
    check_known(recipe, block, usual | {key: ANY, "gamma": ANY}, kind)
    every, epochs = block.get(key, ()), recipe.get("epochs") or 0
    steps = range(begin + every, epochs, every) if isinstance(every, int) else [begin + step for step in every]
    _milestones(steps, block, key, recipe)
    if block.get("gamma", 0.1) != 0.1:
        recipe.say("schedule.gamma", block["gamma"], block, "gamma")


def wrapped_optimizer(config: Block, recipe: Recipe) -> None:
    """optim_wrapper: the optimizer, the clipping of gradients, mixed precision."""
    wrapper = config.block("optim_wrapper")
    if not wrapper and config.block("optimizer"):  # as in 0.x; so it was for a while before 1.0
        optimizer(config.block("optimizer"), recipe)
        return
    known = {
        "optimizer": ANY,
        "clip_grad": ANY,
        "accumulative_counts": ANY,
        "paramwise_cfg": None,
        "loss_scale": RUNNING,
    }
    check_known(recipe, wrapper, known, "optim_wrapper")
    optimizer(wrapper.block("optimizer"), recipe)
    clipping(wrapper, recipe, "clip_grad")
    if wrapper.get("accumulative_counts", 1) != 1:
        recipe.say("accumulate", wrapper["accumulative_counts"], wrapper, "accumulative_counts")
    kind = wrapper.get("type", "OptimWrapper")
    if kind == "AmpOptimWrapper":
        recipe.say("precision", "16-mixed", wrapper)
    elif kind != "OptimWrapper":
        recipe.refuse(f"optim_wrapper {quoted(kind)} is not here", wrapper)
