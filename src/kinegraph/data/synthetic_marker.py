"""Synthetic recordings among raw files: nobody was recorded, so all that is made of them has to say so.

`kinegraph.synthetic` writes the marks that are looked for here.
"""

from pathlib import Path

from kinegraph.data.folders import files_below

MARKER = "SYNTHETIC.json"  # a file in their folder
FIRST_ID = 2**57  # of bodies. Kinect's tracking ids start at 2^56: copies of single files are known by theirs
FILES_LOOKED_AT = 50


def is_synthetic(raw: str | Path) -> bool:
    """Whether a raw folder, one of its subfolders or a raw file was written by `kinegraph synthesize`, or holds copies.

    The folder has a marker; copied files are known by the ids of their bodies, which some of a folder's are asked for.
    """
    raw = Path(raw)
    if raw.is_file():
        return (raw.parent / MARKER).is_file() or (raw.suffix == ".skeleton" and _has_our_ids(raw))
    if (raw / MARKER).is_file() or any(files_below(raw, MARKER)):
        return True
    files = sorted(filter(Path.is_file, files_below(raw, "*.skeleton")))
    return any(_has_our_ids(file) for file in files[:: max(1, len(files) // FILES_LOOKED_AT)])


def _has_our_ids(file: Path) -> bool:
    """Whether the first body of a file has an id as no Kinect gives."""
    with file.open("rb") as content:
        words = [line.split() for line in content.read(1000).split(b"\n")]
    first = next((line[0] for line in words if len(line) == 10 and line[0].isdigit()), b"0")
    return int(first) // FIRST_ID == 1
