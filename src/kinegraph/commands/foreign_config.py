"""Another project's config as ours: with its command line's options for `train` and `test`, as a file for `convert`."""

import atexit
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import yaml

from kinegraph.atomic import write_atomic
from kinegraph.commands.configs import is_ours
from kinegraph.commands.main_py_words import WEIGHTS, main_py_words
from kinegraph.data.dataset import open_dataset
from kinegraph.foreign.clips import open_clips, part_of, split_of, stored_frames
from kinegraph.foreign.main_py import is_main_py
from kinegraph.foreign.read import is_foreign, read_foreign
from kinegraph.foreign.recipe import Recipe, Said, as_yaml
from kinegraph.messages import counted
from kinegraph.skeleton.layout import JointLayout

# Options of the other projects: how many words follow, and what becomes of them: a word of ours, DROPPED or a remark.
DROPPED = ""
FLAGS = {
    "--validate": DROPPED,
    "--no-validate": DROPPED,
    "--amp": "--precision=16-mixed",
    "--auto-scale-lr": DROPPED,
    "--autoscale-lr": DROPPED,
    "--test-last": "`kinegraph test` measures the weights after training",
    "--test-best": "`kinegraph test` measures the weights after training",
    "--diff-seed": "every process has its own random numbers of the one seed",
    "--diff-rank-seed": "every process has its own random numbers of the one seed",
    "--fuse-conv-bn": DROPPED,  # always done
    "--gpu-collect": DROPPED,
}
ONE = {
    "--gpus": "--devices",
    "--dump": "--out",
    "--launcher": DROPPED,  # torchrun and SLURM are recognised by their environment
    "--local_rank": DROPPED,
    "--local-rank": DROPPED,
    "--tmpdir": DROPPED,
    "--average-clips": DROPPED,
    "--gpu-id": "which GPU is seen is said by CUDA_VISIBLE_DEVICES",
}
MANY = {
    "--gpu-ids": "which GPUs are seen is said by CUDA_VISIBLE_DEVICES; --devices says how many",
    "--eval-options": "the metrics have no options here",
    "--cfg-options": DROPPED,
    "--options": DROPPED,
}
FRAMES = 150  # of BABEL's clips, the only published ones that a pipeline takes as they are
# What tools/test.py takes besides, with a word behind it or none.
TESTED_ONE = {
    "--work-dir": "where the result is written is said by --out FILE.pkl",
    **dict.fromkeys(["--show-dir", "--interval", "--wait-time"], "`kinegraph draw` shows clips"),
}
ONNX = "an .onnx file of `kinegraph export` is tested in place of weights"
TESTED_FLAGS = {
    "--onnx": ONNX,
    "--compile": "the fastest engine is taken by --engine auto",
    "--show": "`kinegraph draw` shows clips",
}
TESTED = (
    "split",
    "model",
    "layout",
    "partition",
    "max_hop",
    "preprocessing",
    "batch_size",
    "workers",
)  # options of a test
OPTION_FILES = ("--plugins", "--report", "--out", "--work-dir")


@dataclass
class Words:
    """A command line in parts. ours: words that stay as they are."""

    config: Path
    ours: list[str] = field(default_factory=list)
    cfg_options: list[str] = field(default_factory=list)
    given: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def foreign_words(verb: str, argv: Sequence[str]) -> list[str]:
    """The words as `kinegraph train` or `test` takes them, where one of them is another project's config.

    What the config says becomes a YAML file of ours for the time of the command. All that cannot be honoured is printed
    before; then ValueError.
    """
    found = _config_at(argv)
    if found is None:
        return list(argv)
    words, rest = Words(Path(argv[found])), [word for i, word in enumerate(argv) if i != found]
    gpus = found + (verb == "test")  # dist_train.sh CONFIG GPUS, dist_test.sh CONFIG CHECKPOINT GPUS
    behind_option = rest[max(gpus - 1, 0) : gpus] and rest[gpus - 1].startswith("-")
    if rest[gpus : gpus + 1] and rest[gpus].isdigit() and not behind_option:
        rest[gpus : gpus + 1] = ["--devices", rest[gpus]]
    if is_main_py(words.config):
        theirs = main_py_words(verb, rest)
        words.cfg_options, words.notes, rest = theirs.changes, theirs.notes, theirs.left
    _sort_out(verb, words, rest)
    validate = "--validate" in words.given if {"--validate", "--no-validate"} & words.given else None
    recipe = read_foreign(words.config, words.cfg_options, validate)
    _say(verb, recipe, words)
    if "--auto-scale-lr" in words.given or "--autoscale-lr" in words.given:
        _scale_rate(recipe)
    return _with_clips(verb, recipe, words)


def _config_at(argv: Sequence[str]) -> int | None:
    """The place of another project's config among the words."""
    for i, word in enumerate(argv):
        before = argv[i - 1] if i else ""
        takes_files = before.split("=")[0] in (*OPTION_FILES, *MANY)
        if not word.startswith("-") and not takes_files and word.endswith((".py", ".yaml", ".yml")):
            return None if is_ours(Path(word)) or not is_foreign(Path(word)) else i
    return None


def _sort_out(verb: str, words: Words, argv: Sequence[str]) -> None:
    rest = list(argv)
    flags, with_value = (FLAGS | TESTED_FLAGS, ONE | TESTED_ONE) if verb == "test" else (FLAGS, ONE)

    def value_of_word() -> str:
        """What stands behind = in the word, or the next word."""
        if equals:
            return value
        return rest.pop(0) if rest else ""

    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in ("-c", "--config") or word in ("recognition",):
            continue
        if name in flags:
            words.given.add(name)
            _take(words, name, flags[name], "")
        elif name in with_value:
            value = value_of_word()
            words.given.add(name)
            if name == "--average-clips" and value not in ("prob", "None"):
                raise ValueError(f"--average-clips {value}: here probabilities are averaged, --average-clips prob")
            _take(words, name, with_value[name], value)
        elif name in MANY:
            values = [value] if equals else []
            while rest and not rest[0].startswith("--"):
                values.append(rest.pop(0))
            words.cfg_options += values if name in ("--cfg-options", "--options") else []
            _take(words, name, MANY[name], "")
        elif name in ("-C", "--checkpoint"):  # tools/test.py of PYSKL
            words.ours.insert(0, value_of_word())
        elif name == "--resume-from" or (name == "--resume" and rest and not rest[0].startswith("--")):
            _resumed(words, value_of_word())
        else:
            words.ours.append(word)


def _take(words: Words, name: str, becomes: str, value: str) -> None:
    if becomes.startswith("--"):
        words.ours += [becomes, value] if value else [becomes]
    elif becomes:
        words.notes.append(f"{name}: {becomes}")


def _resumed(words: Words, checkpoint: str) -> None:
    if checkpoint.endswith(".pth"):
        raise ValueError(
            f"--resume-from {checkpoint}: training goes on from runs of Kinegraph only (--work-dir RUN --resume); "
            f"--init-from {checkpoint} begins a new one with these weights"
        )
    words.ours.append("--resume")


def _say(verb: str, recipe: Recipe, words: Words) -> None:
    """Print what is otherwise here, and refuse what cannot be honoured: of a test, what matters to it."""
    notes, refused = recipe.notes, recipe.refused
    if verb == "test":
        notes, refused = recipe.for_test(notes), recipe.for_test(refused)
    for line in [*words.notes, *notes]:
        _aside(f"note: {line}")
    if refused:
        for line in refused:
            print(f"not honoured: {line}", file=sys.stderr)
        raise ValueError(
            f"{recipe.path} ({recipe.dialect}) asks for {counted(len(refused), 'thing')} that Kinegraph does "
            f"not do; nothing was started. `kinegraph convert {recipe.path} OUT.yaml` writes the rest as a config"
        )


def _aside(line: str) -> None:
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(line, flush=True)


def _scale_rate(recipe: Recipe) -> None:
    base = recipe.dataset.get("base_batch_size")
    if base is None:
        raise ValueError(f"--auto-scale-lr: {recipe.path} has no auto_scale_lr.base_batch_size; give --base-batch-size")
    recipe.options["base_batch_size"] = Said(base, "--auto-scale-lr")


def _with_clips(verb: str, recipe: Recipe, words: Words) -> list[str]:
    """Our words, with a config and, unless they name one, a dataset."""
    ours, more = words.ours, []
    if (
        verb == "test"
        and not any(word.endswith(WEIGHTS) or word == "--from" for word in ours)
        and recipe.get("init_from")
    ):
        ours.insert(0, recipe.get("init_from"))
    named = _value_of("--dataset", ours)
    if named is not None:
        folder, split, part = Path(named), split_of(recipe), part_of(recipe)
    else:
        tested = "val" if "val" in recipe.parts and "test" not in recipe.parts else "test"
        needed = [tested] if verb == "test" else ["train"]
        if verb != "test" and recipe.get("validate"):
            needed.append("val")
        clips = open_clips(recipe, needed)
        for line in clips.said:
            _aside(line)
        folder, split, part = clips.path, clips.split, clips.part
    _say_channels(recipe, folder)
    recipe.options = {"split": Said(split, "")} | recipe.options
    if recipe.get("preprocessing.frames") is None:
        recipe.options["preprocessing.frames"] = Said(stored_frames(open_dataset(folder), split), "as stored")
    if verb == "test":
        options = recipe.test_options()
        recipe.options = {name: said for name, said in options.items() if name.partition(".")[0] in TESTED}
    if verb == "train" and _value_of("--work-dir", ours) is None:
        more += ["--work-dir", recipe.work_dir or f"work_dirs/{recipe.path.stem}"]
    if verb == "test" and part and _value_of("--part", ours) is None:
        more += ["--part", part]
    return [str(_written(recipe, folder)), *ours, *more]


def _say_channels(recipe: Recipe, folder: Path) -> None:
    """Say it where the clips give the network other channels than the config's in_channels, as scores do."""
    if type(wanted := recipe.dataset.get("channels")) is not int:
        return
    clips = open_dataset(folder)
    found = (clips.channels + clips.has_score) * len(recipe.get("preprocessing.streams", ["joint"]))
    if wanted != found:
        scored = ", one of them the score" if clips.has_score else ""
        _aside(f"note: in_channels is {wanted} in the config, the clips have {found}{scored}, which the network takes")


def _value_of(option: str, words: Sequence[str]) -> str | None:
    for word, after in pairwise([*words, ""]):
        name, equals, _ = word.replace("_", "-").partition("=")
        if name == option:
            return word.partition("=")[2] if equals else after
    return None


def _written(recipe: Recipe, folder: Path) -> Path:
    """Our config in a file that is removed at the end of the command."""
    place = Path(mkdtemp(prefix="kinegraph-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    path = place / f"{recipe.path.stem}.yaml"
    path.write_text(as_yaml(recipe, str(folder)), encoding="utf-8")
    return path


# ---- `kinegraph convert CONFIG.py OUT.yaml`: the same as a file ------------------------------------------------------


def convert_config(path: Path, out: Path, overwrite: bool) -> None:
    """Write the config, and print what is not honoured. Raises ValueError where the network itself is not here."""
    recipe = read_foreign(path)
    if out.suffix not in (".yaml", ".yml"):
        raise ValueError(f"a config of ours is a .yaml file, asked for is {out}")
    if out.exists() and (not overwrite or not out.is_file()):
        raise ValueError(f"{out} exists; choose another place" + (" or give --overwrite" if out.is_file() else ""))
    for line in recipe.refused:
        print(f"not honoured: {line}")
    if recipe.get("model.class_path") is None:
        raise ValueError(f"{path}: the network is not here, so there is no config of ours; nothing was written")
    recipe.options = {"split": Said(split_of(recipe), "")} | recipe.options
    if recipe.get("preprocessing.frames") is None:
        recipe.options["preprocessing.frames"] = Said(FRAMES, "as stored, in BABEL")
        recipe.note(f"the pipeline takes clips as long as they are: set frames, {FRAMES} is for BABEL's")
    folder = _dataset(recipe, out)
    for line in recipe.notes:
        print(f"note: {line}")
    write_atomic(out, as_yaml(recipe, folder).encode())
    print(f"{out}: kinegraph train {shlex.quote(str(out))}")


def _dataset(recipe: Recipe, out: Path) -> str:
    """A place for the clips, with the command that fills it in the notes. A layout of the config's own gets a file."""
    if not recipe.parts:
        return "data/mine"
    paths = list(dict.fromkeys(source.path for source in recipe.parts.values()))
    folder = Path(paths[0]).with_suffix("")
    folder = folder.with_name(f"{folder.name}_clips")
    layout = recipe.dataset.get("layout")
    if isinstance(layout, JointLayout):
        spec = {key: value for key, value in layout.to_dict().items() if key not in layout.unstated}
        layout = out.with_name(f"{out.stem}_layout.yaml")
        write_atomic(layout, yaml.safe_dump(spec, sort_keys=False, default_flow_style=None).encode())
    for path in paths[:1]:
        more = f" and {', '.join(paths[1:])}" if len(paths) > 1 else ""
        recipe.note(f"kinegraph prepare {path} {folder} --layout {layout} --bodies rows makes the dataset{more}")
    return str(folder)
