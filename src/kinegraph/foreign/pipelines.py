"""Pipelines of MMAction2, PYSKL and ProtoGCN, lists of transforms -> our preprocessing, one data class in one order."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, get_args

from kinegraph.data.augment import Augmentation
from kinegraph.data.features import Stream
from kinegraph.data.normalize import origin
from kinegraph.data.preprocessing import UNIFORM
from kinegraph.foreign.block import Block
from kinegraph.foreign.networks import LAYOUTS_0, LAYOUTS_1, name_of, ours_of
from kinegraph.foreign.recipe import ANY, CODE, FETCHING, Recipe, about_training, check_known
from kinegraph.messages import did_you_mean, quoted
from kinegraph.skeleton.layout import load_layout

FEATURES = {"j": "joint", "b": "bone", "jm": "joint_motion", "bm": "bone_motion", "k": "k_bone", "km": "k_bone_motion"}
LEFT, RIGHT = [1, 3, 5, 7, 9, 11, 13, 15], [2, 4, 6, 8, 10, 12, 14, 16]  # of COCO
ENDS: dict[str, dict[str, object]] = {  # transforms that change no coordinate, with their settings
    "Collect": dict.fromkeys(["keys", "meta_keys", "meta_name", "nested"], FETCHING),
    "ToTensor": {"keys": FETCHING},
    "PackActionInputs": dict.fromkeys(["keys", "collect_keys", "meta_keys", "algorithm_keys"], FETCHING),
    "PackSkeInputs": dict.fromkeys(["keys", "collect_keys", "meta_keys", "algorithm_keys"], FETCHING),
    "PoseDecode": {},
    "Rename": {"mapping": FETCHING},
    "DecompressPose": {"squeeze": True, "max_person": 10},
}


Values = dict[str, tuple[Any, Block, str]]  # options of our preprocessing, each with the block and the key that say it


@dataclass
class Steps:
    """What a pipeline does so far.

    of_test: whether clips of a test go through the pipeline. values: options of ours, by name. order: kinds of steps in
    the order of the pipeline. features: by the names that the pipeline gives them.
    """

    recipe: Recipe
    of_test: bool
    values: Values = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    features: dict[str, str] = field(default_factory=lambda: {"keypoint": "joint"})

    def say(self, option: str, value: object, block: Block, key: str = "type") -> None:
        self.values[option] = (value, block, key)

    def check(self, block: Block, **known: object) -> None:
        check_known(self.recipe, block, known, str(block["type"]))


def preprocessing(train: list[Any], val: list[Any] | None, test: list[Any] | None, recipe: Recipe) -> None:
    """Say how clips become what the network sees. val, test: the pipelines of validation and test, if there are any."""
    with about_training(recipe, only=test is not None):
        steps = _read(train, recipe, of_test=train is test)
    tested = _read(test, recipe, of_test=True) if test is not None else None
    values = dict(steps.values)
    if tested is not None and train is not test:
        with about_training(recipe):
            _check_training(
                steps.values, _read(val, recipe, of_test=True).values if val is not None else {}, tested.values, recipe
            )
        _add_test(values, tested.values, recipe)
    values.setdefault("normalize", ("none", Block(), ""))
    for name in ORDER:
        if name in values:
            value, block, key = values[name]
            there = f"{block['type']} {key}".removesuffix(" type") if block else "no transform"
            recipe.say(f"preprocessing.{name}", value, block, key, there)


ORDER = (
    *("people", "normalize", "min_score", "streams", "motion_between", "sampling"),
    *("frames", "test_frames", "test_clips"),
    *(f"augment.{field.name}" for field in fields(Augmentation)),
)


def _read(pipeline: list[Any], recipe: Recipe, of_test: bool) -> Steps:
    steps = Steps(recipe, of_test)
    for item in pipeline:
        if not isinstance(item, Block) or not isinstance(item.get("type"), str):
            recipe.refuse(f"a pipeline has {quoted(item)}, expected dict(type=...)")
            continue
        kind = item["type"].rpartition(".")[2]
        if kind in TRANSFORMS:
            TRANSFORMS[kind](steps, item)
        elif kind in ENDS:
            steps.check(item, **ENDS[kind])
        else:
            hint = did_you_mean(kind, [*TRANSFORMS, *ENDS])
            recipe.refuse(f"the transform {quoted(item['type'])} is not here{hint}", item)
    if "frames" not in steps.values and pipeline:
        steps.say("sampling", "loop", pipeline[0], "type")  # as stored
    _check_order(steps)
    return steps


def _check_order(steps: Steps) -> None:
    """Refuse an order that gives other numbers than ours: normalise, augment, streams, frames."""
    order = steps.order
    motion = any("motion" in stream for stream in steps.values.get("streams", ((), None, ""))[0])
    wrong = ""
    if "normalise" in order and "streams" in order and order.index("streams") < order.index("normalise"):
        wrong = "streams are computed before normalising"
    if motion and "frames" in order and order.index("frames") < order.index("streams"):
        if steps.values["sampling"][0] in UNIFORM:
            _, block, key = steps.values["streams"]
            steps.say("motion_between", "chosen", block, key)
        else:
            wrong = "motion is computed after frames are chosen"
    if "augment" in order and "normalise" in order and order.index("augment") < order.index("normalise"):
        wrong = "clips are varied before normalising"
    if wrong:
        steps.recipe.refuse(f"{wrong}; here it is the other way round")


def _check_training(train: Values, val: Values, test: Values, recipe: Recipe) -> None:
    """Refuse several choices of frames of a clip at a step; say what a validation has otherwise than a test."""
    clips, block, key = train.get("test_clips", (1, Block(), ""))
    if clips != 1:
        recipe.refuse(f"num_clips is {quoted(clips)} in training, where a clip is seen once at a step here", block, key)
    for name, (value, block, key) in val.items():
        if name == "test_clips" and value != 1:
            recipe.note(f"validation looks at a clip once here, there num_clips is {quoted(value)}", block, key)
        elif name != "test_clips" and not name.startswith("augment.") and test.get(name, (None,))[0] != value:
            recipe.note(f"validation prepares clips as a test does here; {name} differs there", block, key)


def _add_test(values: Values, tested: Values, recipe: Recipe) -> None:
    """What testing does otherwise than training. Refuses what cannot differ here."""
    values.pop("test_clips", None)
    if "test_clips" in tested and tested["test_clips"][0] != 1:
        values["test_clips"] = tested["test_clips"]
    for name in dict.fromkeys([*values, *tested]):
        if name.startswith("augment.") and name in tested:
            _, block, key = tested[name]
            recipe.note(f"{block['type']} varies clips in testing too there; here in training only", block, key)
        if name.startswith("augment.") or name == "test_clips":
            continue
        trained, test = values.get(name), tested.get(name)
        if trained is None or test is None or trained[0] != test[0]:
            if name == "frames" and trained and test:
                values["test_frames"] = test
            else:
                _, block, key = test or trained or (None, Block(), "")
                recipe.say_tested(f"preprocessing.{name}", test[0] if test else None, block, key)


# ---- one function a transform ----------------------------------------------------------------------------------------


def _pre_normalize_3d(steps: Steps, block: Block) -> None:
    steps.check(block, zaxis=ANY, xaxis=ANY, align_spine=ANY, align_center=True, align_shoulder=ANY)
    spine = block.get("align_spine", True)
    # In PYSKL align_spine is for both; MMAction2 1.x has an option for each.
    shoulder = block.get("align_shoulder", True if steps.recipe.dialect == "MMAction2 1.x" else spine)
    if spine != shoulder:
        how = "here both or none, align_spine and align_shoulder alike"
        steps.recipe.refuse(f"PreNormalize3D turns the spine or the shoulders only; {how}", block)
    _check_axes(steps, block, turns=bool(spine))
    steps.recipe.dataset["dimensions"] = 3  # whatever the layout's joints usually have
    steps.order.append("normalise")
    way = "first_frame" if spine else "first_frame_centre"
    steps.say("normalize", way, block, "align_spine" if "align_spine" in block else "type")


def _check_axes(steps: Steps, block: Block, turns: bool) -> None:
    """Compare the joints that PreNormalize3D turns and centres by, which it has by number, with those of the layout."""
    if (name := steps.recipe.dataset.get("layout")) is None:
        return
    layout = load_layout(name)
    spine, right_left = (tuple(block.get(key, usual)) for key, usual in (("zaxis", [0, 1]), ("xaxis", [8, 4])))
    if turns and (layout.spine, layout.shoulders) != (spine, right_left[::-1]):
        what = f"PreNormalize3D turns by joints {spine} and {right_left}, in {layout.name} no spine and no shoulders"
        steps.recipe.refuse(f"{what}; align_spine=False only centres", block)
    theirs, ours = 1 if len(layout) == 25 else len(layout) - 1, origin(layout)
    if not turns and theirs != ours:
        joints = layout.joints
        steps.recipe.note(f"the origin is the joint {joints[ours]} here, there {joints[theirs]}", block)


def _pre_normalize_2d(steps: Steps, block: Block) -> None:
    steps.check(block, img_shape=ANY, threshold=ANY, mode="fix")
    if steps.recipe.dataset.get("dimensions") == 3:
        steps.recipe.refuse(
            "PreNormalize2D on joints in 3D takes them for pixels; PreNormalize3D, or none, is meant", block
        )
    steps.recipe.dataset["dimensions"] = 2
    match block.get("img_shape", (1080, 1920)):
        case [int() as height, int() as width]:
            steps.recipe.dataset["image_size"] = (width, height)  # of clips that do not say theirs
        case other:
            steps.recipe.refuse(f"img_shape is {quoted(other)}, expected height and width", block, "img_shape")
    steps.order.append("normalise")
    steps.say("normalize", "image", block)
    if steps.recipe.dialect != "MMAction2 1.x":  # there, scores do not matter
        steps.say(
            "min_score", float(block.get("threshold", 0.01)), block, "threshold" if "threshold" in block else "type"
        )
    elif "threshold" in block:
        steps.recipe.refuse("PreNormalize2D has no threshold in MMAction2 1.x", block, "threshold")


def _pose_normalize(steps: Steps, block: Block) -> None:
    steps.check(block, mean=(960.0, 540.0, 0.5), max_value=(1920.0, 1080.0, 1.0), min_value=(0.0, 0.0, 0.0))
    steps.order.append("normalise")
    steps.say("normalize", "image_published", block)


def _random_rotation(steps: Steps, block: Block) -> None:
    steps.check(block, theta=ANY)
    theta = float(block.get("theta", 0.3))
    if steps.recipe.dataset.get("dimensions") == 2:
        steps.recipe.note(
            f"the angle is between -{theta:g} and {theta:g} here, in 2D there between -{theta:g} and 1", block
        )
    steps.order.append("augment")
    steps.say("augment.rotation", [theta] * 3, block, "theta" if "theta" in block else "type")


def _random_scale(steps: Steps, block: Block) -> None:
    steps.check(block, scale=ANY)
    scale = block.get("scale", 0.2)
    if isinstance(scale, list | tuple):
        if len(set(scale)) != 1:
            steps.recipe.refuse(
                f"RandomScale: scale {quoted(scale)}; here it is one number for all axes", block, "scale"
            )
        scale = scale[0]
    steps.order.append("augment")
    steps.say("augment.scale", float(scale), block, "scale" if "scale" in block else "type")


def _augmented(option: str, usual: float) -> Callable[[Steps, Block], None]:
    """A transform that happens with some probability, where our augmentation has it."""

    def read(steps: Steps, block: Block) -> None:
        steps.check(block, **{key: ANY for key in ("p", "prob", "flip_ratio", "dataset")})
        if "dataset" in block:
            _check_skeleton(steps, block)
        key = next((name for name in ("p", "prob", "flip_ratio") if name in block), "type")
        if option not in {field.name for field in fields(Augmentation)}:
            steps.recipe.refuse(f"the transform {block['type']} is not in this version", block)
            return
        steps.order.append("augment")
        steps.say(f"augment.{option}", float(block.get(key, usual)) if key != "type" else usual, block, key)

    return read


def _flipped(steps: Steps, block: Block) -> None:
    """Left and right exchanged in the picture, which is our mirror once the middle of the picture is the origin."""
    steps.check(block, flip_ratio=ANY, direction="horizontal", left_kp=ANY, right_kp=ANY)
    layout = steps.recipe.dataset.get("layout")
    theirs = set(zip(block.get("left_kp", LEFT), block.get("right_kp", RIGHT), strict=False))
    if layout and theirs != set(load_layout(layout).mirror):
        what = f"Flip exchanges joints that are no left and right of {name_of(layout)}, the network's layout"
        steps.recipe.refuse(what, block, "left_kp")
    if {"normalise", "streams"} & set(steps.order):
        steps.recipe.refuse("Flip behind PreNormalize2D or GenSkeFeat: x becomes width - x where x is no pixel", block)
    steps.say("augment.mirror", float(block.get("flip_ratio", 0.5)), block, "flip_ratio")


def _added_midpoints(steps: Steps, block: Block) -> None:
    """Three midpoints of joints: the reader adds them, for a network of the layout coco_new."""
    steps.check(block, dataset="coco_new")
    if steps.recipe.dataset.get("layout") != "coco20":
        steps.recipe.refuse(
            f"{block['type']} makes the joints of graph layout 'coco_new', the network has others", block
        )


def _gen_features(steps: Steps, block: Block) -> None:
    steps.check(block, dataset=ANY, feats=ANY, axis=-1)
    feats = block.get("feats", ["j"])
    feats = [feats] if isinstance(feats, str) else list(feats)
    names = [FEATURES.get(str(feature), str(feature)) for feature in feats]
    if any("bone" in name for name in names):
        _check_skeleton(steps, block)
    else:
        steps.recipe.leave_out(block, "dataset", CODE)
    _streams(steps, names, block, "feats")


def _check_skeleton(steps: Steps, block: Block) -> None:
    """Refuse bones, or sides, of another skeleton than the network's."""
    layout, theirs = steps.recipe.dataset.get("layout"), block.get("dataset", "nturgb+d")
    known = (LAYOUTS_0 | LAYOUTS_1).get(str(theirs)) or ours_of(theirs)
    if layout and (known is None or known.joints != layout):
        what = f"{block['type']} is for joints of {quoted(theirs)}, the network has the joints {name_of(layout)}"
        steps.recipe.refuse(what, block)


def _streams(steps: Steps, names: list[str], block: Block, key: str) -> None:
    if unknown := [name for name in names if name not in get_args(Stream)]:
        steps.recipe.refuse(f"the stream {quoted(unknown[0])} is not here", block, key)
        return
    steps.order.append("streams")
    steps.say("streams", names, block, key)


def _joint_to_bone(steps: Steps, block: Block) -> None:
    steps.check(block, dataset=ANY, target=ANY)
    _check_skeleton(steps, block)
    steps.features[str(block.get("target", "keypoint"))] = "bone"
    if block.get("target", "keypoint") == "keypoint":
        _streams(steps, ["bone"], block, "type")


def _to_motion(steps: Steps, block: Block) -> None:
    steps.check(block, dataset=CODE, source=ANY, target=ANY)
    of = steps.features.get(str(block.get("source", "keypoint")), "joint")
    steps.features[str(block.get("target", "motion"))] = f"{of}_motion"
    if block.get("target") == "keypoint":
        _streams(steps, [f"{of}_motion"], block, "type")


def _merge_features(steps: Steps, block: Block) -> None:
    steps.check(block, feat_list=ANY, target="keypoint", axis=-1)
    names = [steps.features.get(str(feature), str(feature)) for feature in block.get("feat_list", ["keypoint"])]
    _streams(steps, names, block, "feat_list" if "feat_list" in block else "type")


def _uniform(sampling: str) -> Callable[[Steps, Block], None]:
    def read(steps: Steps, block: Block) -> None:
        known: dict[str, object] = dict.fromkeys(("clip_len", "num_clips", "seed", "p_interval"), ANY)
        of_dataset = not steps.recipe.dialect.startswith("MMAction2")  # whether it asks the dataset for test_mode
        steps.check(block, **known, test_mode=CODE if of_dataset else steps.of_test, float_ok=False)
        if block.get("p_interval", 1) not in (1, (1, 1), [1, 1]):
            steps.recipe.refuse("p_interval is not 1: here frames are of the clip from end to end", block, "p_interval")
        if block.get("seed", 255) != 255:
            steps.recipe.note(
                f"frames of a test are drawn with seed 255 here, there with {block['seed']}", block, "seed"
            )
        of_pyskl = sampling == "uniform" and not steps.recipe.dialect.startswith("MMAction2")
        _frames(steps, "uniform_pyskl" if of_pyskl else sampling, block, "clip_len")
        steps.say("test_clips", block.get("num_clips", 1), block, "num_clips" if "num_clips" in block else "type")

    return read


def _padded(steps: Steps, block: Block) -> None:
    steps.check(block, length=ANY, mode=ANY)
    ways = {"loop": "loop", "zero": "pad"}
    if block.get("mode", "loop") not in ways:
        steps.recipe.refuse(f"PadTo: mode {quoted(block['mode'])}, expected loop or zero", block, "mode")
    _frames(steps, ways.get(block.get("mode", "loop"), "loop"), block, "length")


def _looped(steps: Steps, block: Block) -> None:
    steps.check(block, clip_len=ANY, num_clips=1)
    _frames(steps, "loop", block, "clip_len")


def _frames(steps: Steps, sampling: str, block: Block, key: str) -> None:
    frames = block.get(key)
    if type(frames) is not int or frames < 1:
        steps.recipe.refuse(f"{block['type']}: {key} is {quoted(frames)}, expected a number of frames", block, key)
        return
    steps.order.append("frames")
    steps.say("sampling", sampling, block)
    steps.say("frames", frames, block, key)


def _format_input(steps: Steps, block: Block) -> None:
    steps.check(block, num_person=ANY, mode="zero", input_format="NCTVM")
    steps.say("people", block.get("num_person", 2), block, "num_person" if "num_person" in block else "type")


TRANSFORMS: dict[str, Callable[[Steps, Block], None]] = {
    "PreNormalize3D": _pre_normalize_3d,
    "PreNormalize2D": _pre_normalize_2d,
    "PoseNormalize": _pose_normalize,
    "RandomRot": _random_rotation,
    "RandomScale": _random_scale,
    "Flip": _flipped,
    "Spatial_Flip": _augmented("joint_flip", 0.5),  # as ProtoGCN's files name it; x is not negated
    "JointFlip": _augmented("joint_flip", 0.5),
    "Joint_Flip": _augmented("joint_flip", 0.5),
    "PartDrop": _augmented("part_drop", 0.2),
    "Part_Drop": _augmented("part_drop", 0.2),
    "Kinetics_Transform": _added_midpoints,
    "GenSkeFeat": _gen_features,
    "JointToBone": _joint_to_bone,
    "ToMotion": _to_motion,
    "MergeSkeFeat": _merge_features,
    "UniformSample": _uniform("uniform"),
    "UniformSampleFrames": _uniform("uniform"),
    "UniformSampleDecode": _uniform("uniform_random_start"),
    "PadTo": _padded,
    "PaddingWithLoop": _looped,
    "FormatGCNInput": _format_input,
}
