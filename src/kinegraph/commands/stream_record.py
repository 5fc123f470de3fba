"""The frames that a program sends, written into a file that can be played again."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from kinegraph.atomic import atomic_file
from kinegraph.data.formats.json_lines import Frame, Head, frame_line, head_line
from kinegraph.inference.streaming.session import Write


@contextmanager
def recorded(path: Path) -> Generator[Write, None, None]:
    """A function that writes frames into a .jsonl file, which appears at the end, also where an error is the end."""
    problem: BaseException | None = None
    with atomic_file(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:

        def write(line: Frame | Head) -> None:
            file.write((head_line(line) if isinstance(line, Head) else frame_line(line)) + "\n")

        try:
            yield write
        except (ValueError, OSError, KeyboardInterrupt) as error:  # what was seen until then cannot be seen again
            problem = error
    if problem is not None:
        raise problem
