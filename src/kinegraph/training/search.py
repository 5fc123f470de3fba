"""What a sweep varies: options of `kinegraph train`, each with a range of numbers or a list of values.

optimizer.lr=log(1e-4, 1e-2)     a number, its logarithm drawn evenly
model.dropout=float(0, 0.5)      a number, drawn evenly
epochs=int(20, 80)               an integer, both ends included
batch_size=choice(8, 16, 32)     one of these values; a value may be a list, such as [32, 64]
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kinegraph.messages import did_you_mean, quoted
from kinegraph.safe_io import parsed_yaml, read_yaml

if TYPE_CHECKING:
    from optuna import Trial

KINDS = ("log", "float", "int", "choice")
FORM = re.compile(r"\s*(\w+)\s*\((.*)\)\s*", re.DOTALL)
EXPECTED = "expected log(1e-4, 1e-2), float(0, 0.5), int(2, 8) or choice(8, 16, 32)"
LARGEST = 2**53  # of an integer: beyond it a float, in which the storage keeps it, has no place for each


@dataclass(frozen=True)
class Numbers:
    """A range of numbers. log: the logarithm is drawn evenly."""

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def drawn(self, trial: "Trial", option: str) -> str:
        if self.integer:
            return str(trial.suggest_int(option, int(self.low), int(self.high)))
        return repr(trial.suggest_float(option, self.low, self.high, log=self.log))

    def ends(self) -> Sequence[str]:
        """Values to check a config with."""
        return [str(int(end)) if self.integer else repr(end) for end in (self.low, self.high)]

    def __str__(self) -> str:
        kind = "log" if self.log else "float"
        return f"{'int' if self.integer else kind}({', '.join(self.ends())})"


@dataclass(frozen=True)
class Choices:
    """Values, as the command line takes them."""

    values: tuple[str, ...]

    def drawn(self, trial: "Trial", option: str) -> str:
        return trial.suggest_categorical(option, self.values)

    def ends(self) -> Sequence[str]:
        return self.values

    def __str__(self) -> str:
        return f"choice({', '.join(self.values)})"


Space = Mapping[str, Numbers | Choices]


def read_search(words: Sequence[str]) -> Space:
    """What `--search` says: OPTION=RANGE each, or a YAML file with a line each. Raises ValueError with the option."""
    if len(words) == 1 and words[0].endswith((".yaml", ".yml")):
        return _of_file(Path(words[0]))
    space: dict[str, Numbers | Choices] = {}
    for word in words:
        option, equals, text = word.partition("=")
        if not equals or not option.strip():
            raise ValueError(f"--search {quoted(word)}: expected OPTION=RANGE, such as optimizer.lr=log(1e-4, 1e-2)")
        _add(space, option, text)
    return space


def _of_file(path: Path) -> Space:
    content = read_yaml(path)
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path}: expected lines such as 'optimizer.lr: log(1e-4, 1e-2)'")
    space: dict[str, Numbers | Choices] = {}
    for option, value in content.items():
        _add(space, str(option), value)
    return space


def _add(space: dict[str, Numbers | Choices], option: str, value: object) -> None:
    name = option.strip().removeprefix("--").replace("-", "_")
    if name in space:
        raise ValueError(f"--search names {name} twice; keep one of them")
    space[name] = _choices(name, value) if isinstance(value, list) else _range(name, str(value))


def _range(name: str, text: str) -> Numbers | Choices:
    form = FORM.fullmatch(text)
    kind, inside = form.groups() if form else ("", "")
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS) if kind else ""
        raise ValueError(f"--search {name} is {quoted(text)}, {EXPECTED}{hint}")
    values = parsed_yaml(f"[{inside}]", f"--search {name}")
    assert isinstance(values, list)
    return _choices(name, values) if kind == "choice" else _numbers(name, kind, text, values)


def _choices(name: str, values: Sequence[object]) -> Choices:
    texts = tuple(value if isinstance(value, str) else json.dumps(value) for value in values)
    if len(set(texts)) < 2 or len(set(texts)) < len(texts):
        raise ValueError(
            f"--search {name} has the values {', '.join(texts) or 'none'}: expected at least two, all different"
        )
    return Choices(texts)


def _numbers(name: str, kind: str, text: str, values: Sequence[object]) -> Numbers:
    try:
        low, high = (float(str(value)) for value in values)
    except ValueError:
        raise ValueError(f"--search {name} is {quoted(text)}, expected two numbers: {EXPECTED}") from None
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"--search {name} is {quoted(text)}: expected a smaller number, then a larger one")
    if kind == "log" and low <= 0:
        raise ValueError(f"--search {name} is {quoted(text)}: a logarithm needs numbers above 0")
    if kind == "int" and not (low.is_integer() and high.is_integer() and max(-low, high) <= LARGEST):
        raise ValueError(f"--search {name} is {quoted(text)}: expected integers")
    return Numbers(low, high, kind == "log", kind == "int")
