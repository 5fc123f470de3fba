"""What another project's configuration says in our words: options of `kinegraph train`, files of clips, and remarks."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from kinegraph.foreign.block import Block
from kinegraph.foreign.python_values import Imported
from kinegraph.messages import one_line

PARTS = ("train", "val", "test")
WIDTH = 120


class Said(NamedTuple):
    """A value of an option, and where it is from: file, line and the name that it has there."""

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

    dialect: the project and version. options: by name with dots, in the order of our config. notes: what is left out
    without changing the weights, or said otherwise here. refused: what cannot be honoured. parts: train, val and test.
    dataset: what reading the clips needs to know: layout, units, class_names.
    """

    path: Path
    dialect: str
    options: dict[str, Said] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    parts: dict[str, Source] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    classes: int | None = None
    work_dir: str | None = None

    def say(self, option: str, value: object, block: Block | None = None, key: str = "type", name: str = "") -> None:
        """Set an option, from a value of a block of the config."""
        line = block.line(key) if block is not None else ""
        if isinstance(value, Imported):
            self.refuse(f"{name or key} is {value}, and no import is followed; --cfg-options sets it", block, key)
            return
        if not _is_plain(value):
            self.refuse(f"{name or key} is {_shown(value)}, expected a number, a word or a list of them", block, key)
            return
        self.options[option] = Said(value, f"{line} {name or key}".strip())

    def note(self, text: str, block: Block | None = None, key: str = "type") -> None:
        if not any(it.endswith(one_line(text)) for it in self.notes):
            self.notes.append(_after(block.line(key) if block is not None else "", text))

    def refuse(self, text: str, block: Block | None = None, key: str = "type") -> None:
        """The pipelines of training and of testing say the same twice: it is refused once."""
        if not any(it == one_line(text) or it.endswith(f": {one_line(text)}") for it in self.refused):
            self.refused.append(_after(block.line(key) if block is not None else "", text))

    def get(self, option: str, missing: Any = None) -> Any:
        return self.options[option].value if option in self.options else missing


def _after(line: str, text: str) -> str:
    return one_line(f"{line}: {text}" if line else text)


def _is_plain(value: object) -> bool:
    return (
        value is None
        or isinstance(value, str | int | float)
        or (isinstance(value, list) and all(map(_is_plain, value)))
    )


@contextmanager
def understanding(recipe: Recipe, block: Block, key: str) -> Generator[None]:
    """Within it, a value that is not of its kind, such as a number where a list is expected, is refused."""
    try:
        yield
    except (TypeError, AttributeError, LookupError, ArithmeticError, ValueError) as error:
        recipe.refuse(f"'{key}' is not as expected: {error}", block, key)


def check_known(recipe: Recipe, block: Block, known: Mapping[str, object], what: str) -> None:
    """Refuse each setting of a block that is not as it is here.

    known: a setting's usual value, which needs no translation; or ANY where its value is looked at elsewhere.
    """
    for key, value in block.items():
        if key == "type" or known.get(key, _NOWHERE) is ANY:
            continue
        if key not in known:
            recipe.refuse(f"{what}: '{key}' is not known here", block, key)
        elif not _same(value, known[key]):
            recipe.refuse(f"{what}: {key} is {_shown(value)}, here it is always {_shown(known[key])}", block, key)


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
        return [next(i for i, it in enumerate(order) if it[: len(head)] == head) for head in heads]

    return sorted(options.items(), key=lambda item: place(item[0]))


def _value(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1 << 20, allow_unicode=True).strip()
    return text.removesuffix("...").strip()
