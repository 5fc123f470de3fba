"""Tables of Weka (.arff): a line for each column, then the rows. Source: Weka's wiki, "ARFF (stable version)"."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from kinegraph.data.reading.files.text import encoding_of, other_encoding

ARFF = (".arff",)
ATTRIBUTE = re.compile(r"""\s*@attribute\s+(?:'(?P<single>[^']+)'|"(?P<double>[^"]+)"|(?P<plain>\S+))""", re.IGNORECASE)
DATA = re.compile(r"\s*@data\s*", re.IGNORECASE)
UNKNOWN = "?"


def arff_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The names of the columns, and the rows with their line numbers. Raises ValueError naming a line without cells."""
    header: list[str] = []
    with path.open(encoding=encoding_of(path), newline="") as file:
        lines = enumerate(file, 1)
        try:
            for _, line in lines:
                if DATA.fullmatch(line):
                    break
                if found := ATTRIBUTE.match(line):
                    header.append(next(filter(None, found.groups())))
            yield 1, header
            for number, line in lines:
                text = line.strip()
                if not text or text.startswith("%"):
                    continue
                if text.startswith("{"):
                    raise ValueError(f"{path} line {number} has its cells by number (sparse ARFF); save it as CSV")
                row = next(csv.reader([text], quotechar="'", skipinitialspace=True))
                yield number, ["" if cell.strip() == UNKNOWN else cell.strip() for cell in row]
        except UnicodeError:
            raise ValueError(f"{path} {other_encoding(path)}") from None
        except csv.Error as error:
            raise ValueError(f"{path} is not readable: {error}") from None
