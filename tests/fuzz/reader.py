"""How an input of a fuzzer becomes a file that one of our readers gets.

The first byte of an input chooses the form in which the rest is put into a file. Beside the bytes as they are, formats
with checksums or compression have a form that adds these, so that mutations get past them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from kinegraph.data.formats.annotations_write import write_annotations
from kinegraph.data.reading.clips.recordings import Recordings
from tests import made_up

Form = Callable[[Path, bytes], object]  # puts the bytes into a file of a folder and reads it


@dataclass(frozen=True)
class Reader:
    """forms: chosen by an input's first byte. seeds: inputs of each form that are read without complaint, or nearly."""

    forms: Sequence[Form]
    seeds: Callable[[], Sequence[Sequence[bytes]]]

    def inputs(self) -> list[bytes]:
        return [bytes([48 + form]) + seed for form, seeds in enumerate(self.seeds()) for seed in seeds]

    def read(self, folder: Path, data: bytes) -> None:
        form = self.forms[data[0] % 48 % len(self.forms)] if data else self.forms[0]
        form(folder, data[1:])


def drain(found: Recordings) -> None:
    for clip in found.clips:
        assert clip.keypoint.dtype.kind == "f", clip.keypoint.dtype
    found.skipped()


def as_file(name: str, read: Callable[[Path], object]) -> Form:
    def form(folder: Path, data: bytes) -> None:
        (folder / name).write_bytes(data)
        read(folder / name)

    return form


@cache
def made() -> dict[str, bytes]:
    """Small files of every format that we write ourselves."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        dataset = made_up.dataset(folder / "set", 3)
        write_annotations(folder / "a.pkl", dataset)
        return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
