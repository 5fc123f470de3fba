"""Labels over time from files of annotation tools: `read_tables` recognises them and gives rows of start, end, label.

One module a kind, each with TITLE, `detect(source)`, which looks at the content, and `read(source)`. READERS is their
order: of two that know a file the first one reads it.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import ModuleType

from kinegraph.data.folders import files_ending
from kinegraph.data.reading.files.columnar import COLUMNAR
from kinegraph.data.reading.files.excel import EXCEL
from kinegraph.data.reading.files.text import start_of
from kinegraph.data.segments import audacity, babel, boris, elan, frames, json_segments, pku, simba, subtitles, table
from kinegraph.data.segments.rows import Row, SegmentTable, Source
from kinegraph.files import check_is_file
from kinegraph.messages import first_few

READERS: tuple[ModuleType, ...] = (elan, babel, json_segments, boris, pku, audacity, subtitles, table, frames, simba)
ENDINGS = (".csv", ".tsv", ".txt", ".eaf", ".json", ".srt", ".vtt", *EXCEL, *COLUMNAR)
OTHERS = {".textgrid": "a TextGrid of Praat", ".anvil": "annotations of Anvil", ".boris": "a project of BORIS"}
MOST_FILES = 100_000


def read_tables(path: Path) -> tuple[list[SegmentTable], list[str]]:
    """The tables of a file or of all files in a folder, and a line on the files in it that are none.

    Raises ValueError where no file is known, or one that is known cannot be read.
    """
    if not path.exists():
        raise ValueError(f"there is no file or folder {path}")
    if not path.is_dir():
        return [_checked(read_table(path))], []
    files = sorted(islice(files_ending(path, ENDINGS), MOST_FILES))
    found, unknown = [], []
    for file in files:
        source = Source(file)
        reader = _reader(source)
        if reader is None:
            unknown.append(file.name)
        else:
            found.append(_checked(reader.read(source)))
    if not found:
        raise ValueError(f"{path} holds no table of segments; expected {_titles()}")
    line = f"{first_few(unknown)}: no table of segments"
    return found, [line] if unknown else []


def read_table(path: Path) -> SegmentTable:
    """The rows of one file. Raises ValueError where nothing knows it."""
    check_is_file(path)
    if path.suffix.lower() in OTHERS:
        raise ValueError(
            f"{path} is {OTHERS[path.suffix.lower()]}; export its segments as a table of start, end, label"
        )
    if path.suffix.lower() not in ENDINGS and "\0" in start_of(path):
        raise ValueError(f"{path} is no text, and no table of segments; expected {_titles()}")
    source = Source(path)
    reader = _reader(source)
    if reader is None:
        columns = ", ".join(source.cells[0][1][:8]) if source.cells else "nothing"
        raise ValueError(f"{path} is no table of segments: it begins with {columns[:100]}; expected {_titles()}")
    return reader.read(source)


def _reader(source: Source) -> ModuleType | None:
    return next((reader for reader in READERS if reader.detect(source)), None)


def _checked(found: SegmentTable) -> SegmentTable:
    if not found.rows:
        raise ValueError(f"{found.path} ({found.kind}) holds no segment")
    return found


def _titles() -> str:
    titles: Sequence[str] = [reader.TITLE for reader in READERS]
    return f"{', '.join(titles[:-1])} or {titles[-1]}"


__all__ = ["READERS", "Row", "SegmentTable", "Source", "read_table", "read_tables"]
