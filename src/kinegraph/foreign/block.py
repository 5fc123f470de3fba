"""The values of another project's configuration file: each has its line, and it is known which were read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

MOST_VALUES = 100_000  # of one configuration, written out


class Block(dict[str, Any]):
    """A dict of a configuration file.

    lines: file and line of each value, as "j.py:12". read: the keys that were read since `forget_reading`. complete:
    keys with whose values nothing is left to do, whatever is in them.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, lines: Mapping[str, str] | None = None):
        super().__init__(values or {})
        self.lines: dict[str, str] = dict(lines or {})
        self.read: set[str] = set()
        self.complete: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None, /) -> Any:
        self.read.add(key)
        return super().get(key, default)

    def put(self, key: str, value: object, line: str) -> None:
        self[key], self.lines[key] = value, line

    def block(self, key: str) -> "Block":
        """The dict under a key; an empty one where there is none. Another value than a dict does not count as read."""
        value = super().get(key)
        if value is None or isinstance(value, Block):
            self.read.add(key)
        return value if isinstance(value, Block) else Block()

    def line(self, key: str = "type") -> str:
        """Where a value stands; "" where that is not known."""
        return self.lines.get(key, "")

    def copy_of(self, *others: "Block", without: Sequence[str] = ()) -> "Block":
        """The values of this block and of others in a new one; here they then count as read."""
        result = Block()
        for block in (self, *others):
            block.read |= block.keys()
            for key, value in block.items():
                if key not in without:
                    result.put(key, value, block.line(key))
        return result


def blocks_in(value: object) -> Iterator[Block]:
    """A block and those within it, also within lists."""
    inside = value if isinstance(value, list | tuple) else ()
    if isinstance(value, Block):
        yield value
        inside = value.values()
    for item in inside:
        yield from blocks_in(item)


def forget_reading(config: Block) -> None:
    """From now on it counts what is read."""
    for block in blocks_in(config):
        block.read, block.complete = set(), set()


def not_read(value: object, path: str = "") -> Iterator[tuple[Block, str, str]]:
    """The keys that nobody has read: each with its block, and with the keys and places that lead to it."""
    if isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from not_read(item, f"{path}{place}.")
    elif isinstance(value, Block):
        for key, inner in value.items():
            if key in value.read and key not in value.complete:
                yield from not_read(inner, f"{path}{key}.")
            elif key not in value.complete:
                yield value, key, f"{path}{key}"


def path_to(block: Block, config: object) -> str:
    """The keys and indices that lead to a block, as --cfg-options takes them; "" where the config has no such block."""
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
            value = Block({name: value for name, value in value.items() if name != "_delete_"}, value.lines)
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
        known[id(value)] = count = 1 + sum(_unfolded(item, known, origin) for item in inside)
    return count
