"""The values of another project's configuration file, each with the line that it came from, and merging them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MOST_VALUES = 100_000  # of one configuration, written out


class Block(dict[str, Any]):
    """A dict of a configuration file. lines: file and line of each value, as "j.py:12"."""

    def __init__(self, values: Mapping[str, Any] | None = None, lines: Mapping[str, str] | None = None):
        super().__init__(values or {})
        self.lines: dict[str, str] = dict(lines or {})

    def put(self, key: str, value: object, line: str) -> None:
        self[key], self.lines[key] = value, line

    def block(self, key: str) -> "Block":
        """The dict under a key; an empty one where there is none."""
        value = self.get(key)
        return value if isinstance(value, Block) else Block()

    def line(self, key: str = "type") -> str:
        """Where a value stands; "" where that is not known."""
        return self.lines.get(key, "")


def path_to(block: Block, config: object) -> str:
    """The keys and places that lead to a block, as --cfg-options takes them; "" for one that is not there."""
    inside: Iterable[tuple[object, object]] = ()
    if isinstance(config, Block):
        inside = config.items()
    elif isinstance(config, list | tuple):
        inside = enumerate(config)
    for key, value in inside:
        if value is block:
            return str(key)
        if rest := path_to(block, value):
            return f"{key}.{rest}"
    return ""


def as_blocks(value: object, line: str) -> object:
    """Plain values with their dicts as blocks, all of one line."""
    if isinstance(value, Mapping):
        values = {str(key): as_blocks(inner, line) for key, inner in value.items()}
        return Block(values, dict.fromkeys(values, line))
    return [as_blocks(inner, line) for inner in value] if isinstance(value, list | tuple) else value


def merged(changes: Block, base: Block, *, into_lists: bool = False, path: str = "") -> Block:
    """`base` with `changes`: dicts are merged, all else is replaced; `_delete_=True` replaces a dict.

    into_lists: a key that is a number changes that element of a list, as --cfg-options may.
    Raises ValueError where a dict would be merged into something else.
    """
    result = Block(base, base.lines)
    for key, value in changes.items():
        line, before = changes.line(key), base.get(key)
        if isinstance(value, Block):
            replaces = value.get("_delete_", False)
            value = Block({name: it for name, it in value.items() if name != "_delete_"}, value.lines)
            if before is not None and not replaces:
                value = _merged_value(value, before, line, f"{path}{key}", into_lists)
        result.put(key, value, line)
    return result


def _merged_value(value: Block, before: object, line: str, path: str, into_lists: bool) -> object:
    if isinstance(before, Block):
        return merged(value, before, into_lists=into_lists, path=f"{path}.")
    if into_lists and isinstance(before, list | tuple) and all(key.isdigit() for key in value):
        return _changed_list(value, list(before), line, path)
    raise ValueError(
        f"{line}: {path} is a dict here and a {type(before).__name__} in the base file; "
        "_delete_=True in the dict replaces it"
    )


def _changed_list(changes: Block, items: list[Any], line: str, path: str) -> list[Any]:
    for key, value in changes.items():
        if int(key) >= len(items):
            raise ValueError(f"{line}: {path}.{key} is beyond the list's {len(items)} elements")
        before = items[int(key)]
        if isinstance(value, Block) and isinstance(before, Block):
            value = merged(value, before, into_lists=True, path=f"{path}.{key}.")
        items[int(key)] = value
    return items


def check_size(value: object, origin: object) -> None:
    """Raises ValueError for values that hold themselves, or stand for more than a configuration can need.

    One value may be named many times, so that a short file stands for more values than fit into memory.
    """
    if _unfolded(value, {}, origin) > MOST_VALUES:
        raise ValueError(f"{origin} stands for more than {MOST_VALUES:,} values; that is no configuration")


def _unfolded(value: object, known: dict[int, int], origin: object) -> int:
    inside: Iterable[object] = ()
    if isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        inside = value
    else:
        return 1
    if (count := known.get(id(value))) == 0:
        raise ValueError(f"{origin}: a value holds itself")
    if count is None:
        known[id(value)] = 0
        known[id(value)] = count = 1 + sum(_unfolded(it, known, origin) for it in inside)
    return count
