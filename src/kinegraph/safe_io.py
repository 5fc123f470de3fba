"""JSON and YAML from anybody's files: values only, in bounded time and memory, and one line for what is wrong.

YAML may name a value once and use it many times; such a file of some hundred bytes can stand for more values than fit
into memory ("billion laughs"), or for one that holds itself. So the unfolded values are counted first.
"""

import json
import math
import re
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from kinegraph.files import check_is_file
from kinegraph.messages import one_line

LARGEST_YAML = 1 << 18  # bytes, some seconds of PyYAML; a layout of a thousand joints has half of it
DEEPEST, BRACKET = 100, re.compile(r"[\[\]{}]")
MOST_VALUES = 100_000  # that a YAML file unfolds to
BROKEN = (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError)


def read_json(path: Path) -> object:
    """The value in a JSON file. Raises ValueError naming the file and what is wrong."""
    check_is_file(path)
    return parsed_json(path.read_bytes(), path)


def parsed_json(text: str | bytes, origin: object) -> object:
    """The value of a JSON text, of a file or of a part of one. Raises ValueError that begins with the origin."""
    try:
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except RecursionError:
        raise ValueError(f"{origin} is not readable JSON: it is nested too deeply") from None
    except UnicodeError:
        is_16 = isinstance(text, bytes) and text[:2] in (b"\xff\xfe", b"\xfe\xff")
        raise ValueError(f"{origin} is {'in UTF-16' if is_16 else 'no text in UTF-8'}; save it in UTF-8") from None
    except ValueError as error:
        reason = "a number has too many digits" if "digits" in str(error) else one_line(error) + _way(error)
        raise ValueError(f"{origin} is not readable JSON: {reason}") from None


def without_nan(value: Any) -> Any:
    """None for numbers that are not finite, also inside of mappings and lists: JSON has none of them."""
    if isinstance(value, dict):
        return {key: without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _way(error: ValueError) -> str:
    """What to do about a common fault of JSON."""
    if not isinstance(error, json.JSONDecodeError):
        return ""
    if error.msg == "Extra data" and error.lineno > 1:
        return "; it has a value on each line, expected one in the file"
    comma = error.doc[: error.pos].rstrip().endswith(",") and error.doc[error.pos : error.pos + 1] in tuple("]}")
    return "; delete the comma before the bracket" if comma or "trailing comma" in error.msg else ""


def read_yaml(path: Path) -> object:
    """The value in a YAML file. Raises ValueError naming the file, the line where there is one, and what is wrong."""
    return _values(compose_yaml(path), path)


def parsed_yaml(text: str, origin: object) -> object:
    """The value of a YAML text. Raises ValueError that begins with the origin, as `read_yaml` does."""
    return _values(_composed(text, origin), origin)


def _values(top: yaml.Node | None, origin: object) -> object:
    try:
        return None if top is None else yaml.constructor.SafeConstructor().construct_document(top)
    except yaml.MarkedYAMLError as error:
        raise _fault(origin, error) from None
    except BROKEN as error:  # such as a date of month 13
        raise ValueError(f"{origin} is not readable YAML: {one_line(error)}") from None


def compose_yaml(path: Path) -> yaml.Node | None:
    """The nodes of a YAML file, no values yet; None where it is empty. Raises ValueError as `read_yaml` does."""
    check_is_file(path)
    _check_size(path.stat().st_size, path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text that YAML can be") from None
    return _composed(text, path)


def _check_size(size: int, origin: object) -> None:
    if size > LARGEST_YAML:
        raise ValueError(f"{origin} has {size:,} bytes, expected YAML of at most {LARGEST_YAML:,}")


def _composed(text: str, origin: object) -> yaml.Node | None:
    _check_size(len(text), origin)
    try:
        if max(accumulate(1 if bracket[0] in "[{" else -1 for bracket in BRACKET.finditer(text)), default=0) > DEEPEST:
            raise RecursionError  # PyYAML would take its time to find out
        top = yaml.compose(text, yaml.SafeLoader)
        values = 0 if top is None else _unfolded(top, {})
    except yaml.MarkedYAMLError as error:
        raise _fault(origin, error) from None
    except RecursionError:
        raise ValueError(f"{origin} is not readable YAML: it is nested too deeply") from None
    except yaml.YAMLError:
        raise ValueError(f"{origin} is no text that YAML can be") from None
    except BROKEN as error:
        raise ValueError(f"{origin} is not readable YAML: {one_line(error)}") from None
    if values > MOST_VALUES:
        raise ValueError(f"{origin} unfolds to more than {MOST_VALUES:,} values by its aliases (*name); write them out")
    return top


def _fault(origin: object, error: yaml.MarkedYAMLError) -> ValueError:
    mark = error.problem_mark or error.context_mark
    where = f"{origin} line {mark.line + 1}" if mark else f"{origin}"
    return ValueError(f"{where}: not readable YAML: {one_line(error.problem or error.context)}")


def _unfolded(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for, aliases written out. known: of the nodes looked at; 0 while one is."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if (count := known.get(id(node))) == 0:
        raise ValueError("a value holds itself")
    if count is None:
        known[id(node)] = 0
        inside = [item for pair in node.value for item in pair] if isinstance(node, yaml.MappingNode) else node.value
        count = known[id(node)] = 1 + sum(_unfolded(item, known) for item in inside)
    return count
