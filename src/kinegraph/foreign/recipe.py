"""What another project's configuration says in our words: options of `kinegraph train`, files of clips, and remarks."""

import shlex
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from kinegraph.foreign.block import Block, forget_reading, not_read, path_to
from kinegraph.foreign.python_values import Imported
from kinegraph.messages import one_line

PARTS = ("train", "val", "test")


class Unneeded(str):
    """Why a key needs no translation."""


STORING = Unneeded("logging, storing and showing")
RUNNING = Unneeded("processes and machines")
FETCHING = Unneeded("how clips are fetched")
FOLLOWS = Unneeded("follows from the clips and the network")
TESTED = Unneeded("batches and figures of validation and test")
CODE = Unneeded("the project's code does not use it")


class Said(NamedTuple):
    """A value of an option, and its origin: file, line and name in the other project's config."""

    value: Any
    origin: str


@dataclass(frozen=True)
class Source:
    """Where the clips of one part are.

    path: as the config says it. split: the list in an annotation file that is the part. origin: file and line.
    option: what changes the path on the command line. labels: a file of labels beside arrays.
    """

    path: str
    split: str | None = None
    origin: str = ""
    option: str = ""
    labels: str | None = None


@dataclass
class Recipe:
    """A translated configuration.

    dialect: the project and version. options: by name with dots, in the order of our config.
    notes: settings that are left out without changing the weights, or that have another form here.
    refused: settings that cannot be honoured. of_training: notes and refusals that concern a training, not a test.
    tested: options with another value in a test; None: options that a test does not have.
    parts: train, val and test. dataset: facts for reading the clips: layout, units, channels.
    config: the other project's config. copies: blocks of it that were put together while reading.
    left_out: keys that need no translation, each with its block and the reason.
    """

    path: Path
    dialect: str
    config: Block = field(default_factory=Block)
    options: dict[str, Said] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    of_training: set[str] = field(default_factory=set)
    tested: dict[str, Said] = field(default_factory=dict)
    parts: dict[str, Source] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    classes: int | None = None
    work_dir: str | None = None
    in_training: bool = False  # whether what is said now is about a training
    copies: list[Block] = field(default_factory=list)
    left_out: list[tuple[Block, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        forget_reading(self.config)

    def say(self, option: str, value: object, block: Block | None = None, key: str = "type", name: str = "") -> None:
        """Set an option, from a value of a block of the config."""
        if (said := self._said(value, block, key, name)) is not None:
            self.options[option] = said

    def say_tested(self, option: str, value: object, block: Block, key: str) -> None:
        """Set an option for tests alone. It is refused for a training, whose validation has the same options."""
        what = f"{option.removeprefix('preprocessing.')} differs between training and testing; here it is one"
        self.refuse(what, block, key, training=True)
        if (said := self._said(value, block, key)) is not None:
            self.tested[option] = said

    def _said(self, value: object, block: Block | None, key: str, name: str = "") -> Said | None:
        line = block.line(key) if block is not None else ""
        if isinstance(value, Imported):
            self.refuse(f"{name or key} is {value}, and no import is followed; --cfg-options sets it", block, key)
        elif not _is_plain(value):
            self.refuse(f"{name or key} is {_shown(value)}, expected a number, a word or a list of them", block, key)
        else:
            return Said(value, f"{line} {name or key}".strip())
        return None

    def test_options(self) -> dict[str, Said]:
        """The options of a test."""
        absent = {option for option, said in self.tested.items() if said.value is None}
        return {option: said for option, said in (self.options | self.tested).items() if option not in absent}

    def note(self, text: str, block: Block | None = None, key: str = "type", training: bool = False) -> None:
        """training: it matters to a training, not to a test."""
        self._add(self.notes, text, block, key, training)

    def refuse(self, text: str, block: Block | None = None, key: str = "type", training: bool = False) -> None:
        self._add(self.refused, text, block, key, training)
        if block is not None:  # the other settings of a class that is refused are not looked at
            _finish(block, *(block if "type" in block else [key]))

    def leave_out(self, block: Block, key: str, why: Unneeded) -> None:
        """Take note of a key that needs no translation, with all that it has within."""
        if key in block:
            _finish(block, key)
            self.left_out.append((block, key, why))

    def unneeded(self) -> dict[str, str]:
        """The keys that need no translation, with those that lead to them, and the reasons."""
        found = {}
        for block, key, why in self.left_out:
            path = path_to(block, self.config)
            found[f"{path}.{key}" if path else key] = why
        return found

    def copied(self, block: Block, *others: Block, without: Sequence[str] = ()) -> Block:
        """The values of some blocks in one, of which it is known too what is read."""
        self.copies.append(block.copy_of(*others, without=without))
        return self.copies[-1]

    def refuse_the_rest(self, tested: Sequence[str]) -> None:
        """Refuse each key that nothing has read, so that no key is lost. tested: how the keys that tests need begin."""
        for part in (self.config, *self.copies):
            for block, key, inside in list(not_read(part)):
                outside = path_to(block, self.config)
                path = f"{outside}.{key}" if outside else inside
                if block[key] is not None:
                    known = outside or block is self.config
                    how = f"; --cfg-options {shlex.quote(f'{path}=None')} goes on without" if known else ""
                    self.refuse(f"'{path}' is not read here{how}", block, key, not path.startswith(tuple(tested)))

    def _add(self, lines: list[str], text: str, block: Block | None, key: str, training: bool) -> None:
        """The pipelines of training and of testing say the same twice: it stands there once."""
        if block is not None:
            block.read.add(key)
        text, training = one_line(text), training or self.in_training
        line = next((line for line in lines if line == text or line.endswith(f": {text}")), None)
        if line is None:
            line = _after(block.line(key) if block is not None else "", text)
            lines.append(line)
            if training:
                self.of_training.add(line)
        elif not training:
            self.of_training.discard(line)

    def for_test(self, lines: list[str]) -> list[str]:
        """Those of some notes or refusals that matter to a test."""
        return [line for line in lines if line not in self.of_training]

    def get(self, option: str, missing: Any = None) -> Any:
        return self.options[option].value if option in self.options else missing


def _finish(block: Block, *keys: str) -> None:
    block.read.update(keys)
    block.complete.update(keys)


def _after(line: str, text: str) -> str:
    return one_line(f"{line}: {text}" if line else text)


def _is_plain(value: object) -> bool:
    return (
        value is None
        or isinstance(value, str | int | float)
        or (isinstance(value, list) and all(map(_is_plain, value)))
    )


@contextmanager
def about_training(recipe: Recipe, only: bool = True) -> Generator[None]:
    """Within it, notes and refusals matter to a training and not to a test. only: False changes nothing."""
    before, recipe.in_training = recipe.in_training, only or recipe.in_training
    try:
        yield
    finally:
        recipe.in_training = before


@contextmanager
def understanding(recipe: Recipe, block: Block, key: str, training: bool = False) -> Generator[None]:
    """Within it, a value that is not of its kind, such as a number where a list is expected, is refused.

    training: as `about_training`.
    """
    with about_training(recipe, training):
        try:
            yield
        except (TypeError, AttributeError, LookupError, ArithmeticError, ValueError) as error:
            recipe.refuse(f"'{key}' is not as expected: {error}", block, key)


def check_known(recipe: Recipe, block: Block, known: Mapping[str, object], what: str) -> None:
    """Refuse each setting of a block that is not as it is here, with what changes it on the command line.

    known: a setting's usual value, which needs no translation; the reason why it needs none, an Unneeded; or ANY where
    its value is read elsewhere.
    """
    for key in list(block):
        usual = known.get(key, _NOWHERE)
        if usual is ANY or (usual is _NOWHERE and key == "type"):
            continue
        value = block[key]
        if isinstance(usual, Unneeded):
            recipe.leave_out(block, key, usual)
        elif usual is _NOWHERE and value is not None:
            goes = _changed(recipe, block, key, "None")
            recipe.refuse(f"{what}: '{key}' is not known here{goes and f'; {goes} goes on without'}", block, key)
        elif usual is not _NOWHERE and not _same(value, usual):
            goes = _changed(recipe, block, key, usual if isinstance(usual, str) else _shown(usual))
            says = f"{what}: {key} is {_shown(value)}, here it is always {_shown(usual)}{goes and f'; {goes} says so'}"
            recipe.refuse(says, block, key)


def _changed(recipe: Recipe, block: Block, key: str, value: str) -> str:
    """The option that changes a setting; "" for a block that was put together while reading."""
    path = path_to(block, recipe.config)
    return f"--cfg-options {shlex.quote(f'{path}.{key}={value}')}" if path else ""


ANY, _NOWHERE = object(), object()


def _same(one: object, other: object) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def _shown(value: object) -> str:
    return one_line(repr(list(value) if isinstance(value, tuple) else value))[:60]


# ---- as our YAML -----------------------------------------------------------------------------------------------------


def as_yaml(recipe: Recipe, dataset: str | None = None) -> str:
    """Our config as YAML: each line with the line of theirs that it comes from."""
    head = [
        f"# Translated from {recipe.path.name} ({recipe.dialect}); behind each line is the line that it comes from."
    ]
    head += [f"# not honoured: {line}" for line in recipe.refused] + [f"# note: {line}" for line in recipe.notes]
    unneeded = recipe.unneeded()
    for why in dict.fromkeys(unneeded.values()):
        head.append(f"# not needed, {why}: {', '.join(key for key, reason in unneeded.items() if reason == why)}")
    lines = [f"dataset: {_value(dataset)}"] if dataset is not None else []
    opened: tuple[str, ...] = ()
    for option, said in _grouped(recipe.options):
        *groups, last = option.split(".")
        for depth, group in enumerate(groups):
            if opened[: depth + 1] != tuple(groups[: depth + 1]):
                lines.append(f"{'  ' * depth}{group}:")
        opened = tuple(groups)
        line = f"{'  ' * len(groups)}{last}: {_value(said.value)}"
        origin = one_line(said.origin).replace(f"{recipe.path.name}:", "line ", 1)
        lines.append(f"{line}  # {origin}" if origin else line)
    return "\n".join([*head, *lines, ""])


def _grouped(options: Mapping[str, Said]) -> list[tuple[str, Said]]:
    """The options with those of a group side by side, groups in the order of their first option."""
    order = [option.split(".") for option in options]

    def place(option: str) -> list[int]:
        parts = option.split(".")
        heads = [parts[:depth] for depth in range(1, len(parts) + 1)]
        return [next(i for i, option in enumerate(order) if option[: len(head)] == head) for head in heads]

    return sorted(options.items(), key=lambda item: place(item[0]))


def _value(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1 << 20, allow_unicode=True).strip()
    return text.removesuffix("...").strip()
