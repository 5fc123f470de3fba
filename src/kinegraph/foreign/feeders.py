"""What the feeders of main.py do to a clip, in our words: files, frames, streams and augmentation."""

from collections.abc import Mapping
from math import pi
from typing import Any

from kinegraph.foreign.block import Block
from kinegraph.foreign.recipe import ANY, CODE, FETCHING, FOLLOWS, TESTED, Recipe, Source, about_training, check_known
from kinegraph.messages import quoted

FEEDER: dict[str, object] = {
    **dict.fromkeys(["data_path", "label_path", "window_size", "random_choose"], ANY),
    **dict.fromkeys(["split", "vel", "bone", "repeat", "files"], ANY),
    **dict.fromkeys(["use_mmap", "mmap"], FETCHING),
    **dict.fromkeys(["num_point", "num_person"], FOLLOWS),  # of feeders of users: the shape of their arrays
    **dict.fromkeys(["normalization", "random_scale", "debug"], False),
}
WINDOW = FEEDER | dict.fromkeys(["random_shift", "random_move"], ANY)  # of yysijie/st-gcn and 2s-AGCN
UNUSED = dict.fromkeys(["random_choose", "random_shift", "random_move", "debug"], CODE)
STRETCHED = FEEDER | UNUSED | dict.fromkeys(["p_interval", "random_rot"], ANY)  # of CTR-GCN
OF_UCLA = FEEDER | UNUSED | dict.fromkeys(["window_size", "vel", "bone", "split"], CODE)
VARIED = ("random_shift", "random_move", "random_rot")
OF_TESTS: Mapping[str, object] = dict.fromkeys(VARIED, False) | {"repeat": TESTED}
# Feeders whose settings are read here. Others are read as these, which is said.
FEEDERS = ("feeder.feeder.Feeder", "feeders.feeder.Feeder", "feeders.feeder_ntu.Feeder")
UCLA = "feeders.feeder_ucla.Feeder"
UCLA_FILES, UCLA_SPLIT, UCLA_FRAMES = "data/NW-UCLA/all_sqe", "xview", 52  # which that feeder's code says
FRAMES = 300  # of the arrays that the projects make
THETA, UCLA_THETA = 0.3, pi / 3  # radians, of CTR-GCN's random_rot and of its feeder for NW-UCLA


def say_feeder(config: Block, recipe: Recipe) -> None:
    """Say where the clips are and what becomes of each."""
    train, test = config.block("train_feeder_args"), config.block("test_feeder_args")
    feeder = str(config.get("feeder", FEEDERS[0]))
    stretched = recipe.dialect == "CTR-GCN"
    known = STRETCHED if stretched else WINDOW
    if feeder == UCLA:
        known = OF_UCLA
    for block, what in ((train, "train_feeder_args"), (test, "test_feeder_args")):
        with about_training(recipe, only=bool(test) and block is train):
            other = {} if block is train else {key: value for key, value in OF_TESTS.items() if known.get(key) is ANY}
            check_known(recipe, block, known | other, what)
    people = config.block("model_args").get("num_person", 2)
    recipe.say("preprocessing.people", people, config, "model_args", "num_person")
    if feeder == UCLA:
        _ucla(train, test, recipe)
        return
    if "ucla" in feeder:
        recipe.refuse(f"{feeder} is not here, only {UCLA} for NW-UCLA", config, "feeder")
    elif feeder not in FEEDERS:
        recipe.note(f"{feeder} is read as the project's usual feeder", config, "feeder")
    for part, block, what in (("train", train, "train_feeder_args"), ("val", test, "test_feeder_args")):
        path, labels = block.get("data_path"), block.get("label_path")
        if isinstance(path, str) and path:
            labels = labels if isinstance(labels, str) else None
            split = block.get("split", part) if path.endswith(".npz") else None  # x_train, y_train, x_test, y_test
            if split is None:
                recipe.leave_out(block, "split", FOLLOWS)
            recipe.parts[part] = Source(path, split, block.line("data_path"), f"{what}.data_path", labels)
    if "train" not in recipe.parts and not recipe.refused and train:
        what = "the feeder names no data_path; --dataset FOLDER names the clips"
        recipe.note(what, config, "train_feeder_args", training=True)
    recipe.say("preprocessing.normalize", "none", config, "feeder", "arrays as stored")
    seen = train or test  # a file for tests has only the latter
    stream, of_test = (_stream(bool(feeder.get("bone")), bool(feeder.get("vel"))) for feeder in (seen, test))
    if stream != "joint":
        recipe.say("preprocessing.streams", [stream], seen, "bone" if seen.get("bone") else "vel")
    if test and of_test != stream:
        recipe.say_tested("preprocessing.streams", [of_test], test, "bone" if test.get("bone") else "vel")
    if stretched:
        _stretched(train, test, recipe)
    else:
        _window(train, test, recipe)
    _repeat(train, recipe)


def _stream(bone: bool, motion: bool) -> str:
    return ("bone" if bone else "joint") + ("_motion" if motion else "")


def _repeat(train: Block, recipe: Recipe) -> None:
    if type(repeat := train.get("repeat", 1)) is int and repeat > 1:
        recipe.say("repeat", repeat, train, "repeat")


def _window(train: Block, test: Block, recipe: Recipe) -> None:
    size, chosen, chosen_in_tests = train.get("window_size", -1), train.get("random_choose"), test.get("random_choose")
    if chosen_in_tests:
        recipe.note("a test takes the same frames each time here, there random ones", test, "random_choose")
    if type(size) is int and size > 0:
        recipe.say(
            "preprocessing.sampling", "window" if chosen else "pad", train, "random_choose" if chosen else "window_size"
        )
        recipe.say("preprocessing.frames", size, train, "window_size")
        tested = test.get("window_size", -1)
        if chosen and not chosen_in_tests:
            tested = max(tested, FRAMES)  # tools.auto_pading leaves longer clips as they are
        if tested != size:
            recipe.say("preprocessing.test_frames", tested if tested > 0 else FRAMES, test, "window_size")
        if not chosen and size < FRAMES:
            cut = f"clips of more than {size} frames are cut to {size} here, there without random_choose they stay"
            recipe.note(f"{cut}; --preprocessing.frames says otherwise", train, "window_size")
    else:
        if chosen:
            recipe.refuse("random_choose without a window_size", train, "random_choose")
        recipe.say("preprocessing.sampling", "pad", train, "window_size", "all frames")
        recipe.say("preprocessing.frames", FRAMES, train, "window_size", "all frames")
    if train.get("random_shift"):
        what = "random_shift, a random place among the zeros, is not here"
        recipe.refuse(what, train, "random_shift", training=True)
    if train.get("random_move"):
        recipe.say("preprocessing.augment.rotation", [0.0, 0.0, 0.17], train, "random_move")
        recipe.say("preprocessing.augment.scale", 0.1, train, "random_move")
        recipe.note(
            "random_move drifts within a clip there; rotation and scale are drawn once a clip here",
            train,
            "random_move",
            training=True,
        )


def _stretched(train: Block, test: Block, recipe: Recipe) -> None:
    """CTR-GCN: a random part of the clip, in a test its middle, stretched to the window."""
    seen = train or test
    recipe.say("preprocessing.sampling", "stretch", seen, "p_interval")
    recipe.say("preprocessing.frames", seen.get("window_size", 64), seen, "window_size")
    if (size := test.get("window_size", 64)) != seen.get("window_size", 64):
        recipe.say("preprocessing.test_frames", size, test, "window_size")
    drawn, tested = (_shares(block.get("p_interval", 1), block, recipe) for block in (train, test))
    if len(drawn) == 2 and drawn[1] == 1:
        recipe.say("preprocessing.augment.crop", float(drawn[0]), train, "p_interval")
    elif drawn not in ([], [1]):
        what = f"p_interval {drawn}: training takes a share from x to 1 here, [x, 1]"
        recipe.refuse(what, train, "p_interval", training=True)
    if len(tested) == 1 and tested != [1]:
        recipe.say("preprocessing.test_crop", float(tested[0]), test, "p_interval")
    elif len(tested) == 2:
        recipe.note("a test looks at the complete clip here, there at a random part", test, "p_interval")
    if train.get("random_rot"):
        recipe.say("preprocessing.augment.rotation", [THETA] * 3, train, "random_rot")


def _shares(value: Any, block: Block, recipe: Recipe) -> list[float]:
    shares: list[Any] = value if isinstance(value, list) else [value]
    if not 1 <= len(shares) <= 2 or any(type(share) not in (int, float) or not 0 < share <= 1 for share in shares):
        recipe.refuse(f"p_interval is {quoted(value)}, expected one or two shares of a clip", block, "p_interval")
        return []
    return shares


def _ucla(train: Block, test: Block, recipe: Recipe) -> None:
    """CTR-GCN's feeder for NW-UCLA, whose data_path are words: joint, bone, motion, bone motion."""
    for part, block in (("train", train), ("val", test)):
        if block:
            if ("val" in str(block.get("label_path"))) != (part == "val"):
                what = (
                    f"label_path is {quoted(block.get('label_path'))}: here it is train for training and val for tests"
                )
                recipe.refuse(what, block, "label_path")
            option = "train_feeder_args.files" if part == "train" else "test_feeder_args.files"
            files = str(block.get("files", UCLA_FILES))
            recipe.parts[part] = Source(files, f"{UCLA_SPLIT}_{part}", block.line("label_path"), option)
    seen = train or test
    words, of_test = (str(words_.get("data_path", "joint")) for words_ in (seen, test))
    stream, tested = (_stream("bone" in text, "motion" in text) for text in (words, of_test))
    recipe.say("preprocessing.streams", [stream], seen, "data_path")
    if test and tested != stream:
        recipe.say_tested("preprocessing.streams", [tested], test, "data_path")
    recipe.say("preprocessing.motion_between", "chosen", seen, "data_path", "as the feeder's code")
    recipe.say("preprocessing.normalize", "box", seen, "data_path", "as the feeder's code")
    recipe.say("preprocessing.sampling", "sorted", seen, "data_path", "as the feeder's code")
    recipe.say("preprocessing.frames", UCLA_FRAMES, seen, "window_size", "as the feeder's code")
    recipe.say(
        "preprocessing.augment.rotation", [round(UCLA_THETA, 6)] * 2 + [0.0], seen, "data_path", "rand_view_transform"
    )
    what = "a clip is turned about x, then y here, there about y, then x, by whole degrees"
    recipe.note(what, seen, "data_path", training=True)
    _repeat(train, recipe)
