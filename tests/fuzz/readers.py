"""The readers that are fuzzed, and the inputs that once broke them."""

from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.own_files import OWN_FILES
from tests.fuzz.recordings import RECORDINGS

READERS = RECORDINGS | OWN_FILES


def corpus(name: str) -> Iterator[Path]:
    """The kept inputs of a reader: each once broke something."""
    folder = Path(__file__).parent / "corpus" / name.replace(" ", "_")
    return iter(sorted(folder.glob("*"))) if folder.is_dir() else iter(())
