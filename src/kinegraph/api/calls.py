"""A verb of the command line, called from Python: the same names, defaults, checks and messages.

What is given goes through the verb's parser, as words. So a wrong value is refused as on the command line, with a
ValueError; and nothing stays behind that a second call would notice.
"""

import dataclasses
import inspect
import io
import json
import os
import random
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from typing import Any

import numpy as np

from kinegraph.commands.arguments import answer, parameters_of
from kinegraph.commands.signature import arguments_of
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.screen import SAID
from kinegraph.skeleton.clip import SkeletonClip

OPTION = re.compile(r"(?<![\w-])--(\[no-\])?([a-z][\w.-]*)")


def call(name: str, given: Mapping[str, object], progress: bool, from_config: bool = False, warn: bool = True) -> Any:
    """Call a verb. given: its arguments and options by name, the arguments that have no dash first.

    progress: print as the command does; without it, only its warnings come, as Python's, if `warn`. Raises ValueError
    and OSError where the command would end with one line; options have their names of Python there.
    """
    _check_processes(given)
    module = import_module(f"kinegraph.commands.{name}")
    verb: Callable = getattr(module, name)
    with _names_of_python(), kept_state(), ExitStack() as stack:
        if not progress:
            stack.enter_context(_quiet(warn))
        warnings.filterwarnings("ignore", "(invalid value|overflow) encountered", RuntimeWarning)
        words = getattr(module, "words", list)(words_of(verb, given, from_config))
        return answer(verb, words, from_config=from_config)


def words_of(verb: Callable, given: Mapping[str, object], from_config: bool = False) -> list[str]:
    """The words of a command line that say the same. Raises ValueError for an option that cannot be said so."""
    declared = parameters_of(verb)
    without_dash = ["config"] if from_config else [argument.name for argument in arguments_of(verb)]
    alone, options = list[str](), list[str]()
    for name, value in given.items():
        if value is None:
            if from_config and name in declared and declared[name].default is None:
                options.append(f"--{name}=null")  # a config may say something else
            continue
        value = value.path if isinstance(value, SkeletonDataset) else value
        if name in declared and isinstance(value, int) and "list[str]" in str(declared[name].annotation):
            value = [str(value)]  # classes=60, as --classes 60 is typed
        if name in without_dash:
            values = value if isinstance(value, list | tuple) else [value]
            alone += [_first(name, value) for value in values]
        else:
            options += _option(name, value)
    return [*alone, *options]


def _first(name: str, value: object) -> str:
    text = _word(name, value)
    return f"./{text}" if text.startswith("-") else text


def _option(name: str, value: object) -> Iterator[str]:
    """The words of one option; of a mapping, those of its entries."""
    if isinstance(value, Mapping) and "class_path" not in value:
        for key, inner in value.items():
            yield from _option(f"{name}.{key}", inner)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type | os.PathLike):
        yield f"--{name}={json.dumps(dataclasses.asdict(value), default=_plain)}"
    else:
        yield f"--{name}={_word(name, value)}"


def _word(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, type) or inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    if name == "image_size" and isinstance(value, list | tuple) and len(value) == 2:
        return "{}x{}".format(*value)
    if isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str)):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return str(_plain(value))


def _plain(value: object) -> object:
    """A path as text. Raises ValueError for what stands for no path and no value."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, SkeletonClip):
        raise ValueError("a SkeletonClip is no option; kg.write_dataset(FOLDER, clips, ...) makes a dataset of clips")
    if isinstance(value, np.ndarray):
        raise ValueError('an array is no recording; kg.SkeletonClip(array, "coco17") makes a clip of one')
    raise ValueError(f"a {type(value).__name__} stands for no option; give text, a number, a path or a list of them")


def _check_processes(given: Mapping[str, object]) -> None:
    for name in ("devices", "nodes"):
        number = given.get(name)
        if number not in (None, 1) and not (isinstance(number, int) and number < 1):  # which the parser refuses
            raise ValueError(
                f"{name} is {number}: a run on several processes starts its program again, which a notebook does not "
                "bear; use `kinegraph train` or torchrun, or leave it out"
            )


# ---- what stays as it was --------------------------------------------------------------------------------------------


@contextmanager
def kept_state() -> Iterator[None]:
    """Random numbers, threads, determinism, the environment and the filters of warnings are as before, at the end."""
    torch = sys.modules.get("torch")
    if torch is None:
        import torch
    environment, numbers, state = dict(os.environ), random.getstate(), np.random.get_state()  # noqa: NPY002
    seeds, threads = torch.get_rng_state(), torch.get_num_threads()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    deterministic = torch.are_deterministic_algorithms_enabled()
    only_warned, fastest = torch.is_deterministic_algorithms_warn_only_enabled(), torch.backends.cudnn.benchmark
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in environment.items() if os.environ.get(name) != value})
        random.setstate(numbers)
        np.random.set_state(state)  # noqa: NPY002
        torch.set_rng_state(seeds)
        if devices:
            torch.cuda.set_rng_state_all(devices)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic, warn_only=only_warned)
        torch.backends.cudnn.benchmark = fastest
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)


@contextmanager
def _quiet(warn: bool) -> Iterator[None]:
    """Nothing is printed; lines that warn are given as Python's warnings, behind the call."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            yield
    finally:
        for line in printed.getvalue().splitlines():
            if warn and line.startswith(SAID):
                warnings.warn(line, UserWarning, stacklevel=6)


@contextmanager
def _names_of_python() -> Iterator[None]:
    """Messages name options as Python does: --work-dir is work_dir there."""
    try:
        yield
    except (ValueError, OSError) as error:
        if error.args and isinstance(error.args[0], str):
            text = OPTION.sub(lambda it: it[2].replace("-", "_"), error.args[0])
            error.args = (text, *error.args[1:])
        raise
