"""What becomes of parts of files that cannot be read: an error, a line, or a word among the clips."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Literal

from kinegraph.data.formats.recordings import Fault, FormatError, Item, OneOfSeveral, Recordings

OnFault = Literal["stop", "skip", "keep"]


def by_policy(
    items: Iterator[Item],
    on_fault: OnFault,
    broken: list[str],
    empty: dict[str, list[str]],
    skipped: Callable[[], list[str]],
    count: int,
) -> Iterator[Item]:
    """The clips; faults are raised, kept, or noted in `broken` and `empty`. Raises ValueError where no clip is left.

    count: of clips, at most.
    """
    left = False
    for item in items:
        if not isinstance(item, Fault) or on_fault == "keep":
            left = True
            yield item
        elif item.skip:
            empty.setdefault(item.message, []).append(item.clip)
        elif on_fault == "stop":
            raise (OneOfSeveral if count > 1 else FormatError)(item.kind, str(item))
        else:
            broken.append(f"broken: {item}")
    if not left and on_fault != "keep":
        reasons = skipped()
        more = f"; and {len(reasons) - 3:,} more" if len(reasons) > 3 else ""
        raise ValueError(f"no clip is left; skipped: {'; '.join(reasons[:3])}{more}")


def without_faults(found: Recordings, on_fault: OnFault) -> Recordings:
    """The recordings without the faults that a step after reading notices, such as segments that do not fit.

    on_fault: as of `recordings`. Raises ValueError at the first fault, or where no clip is left.
    """
    broken: list[str] = []
    empty: dict[str, list[str]] = {}

    def skipped() -> list[str]:
        return found.skipped() + [f"{len(names):,} {reason}" for reason, names in empty.items()] + broken

    def clips() -> Iterator[Item]:
        with closing(found.clips):
            yield from by_policy(found.clips, on_fault, broken, empty, skipped, found.count)

    return replace(found, clips=clips(), skipped=skipped)
