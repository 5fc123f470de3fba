"""A labels file, a CSV with a row a clip, joined to the clips of a format."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from kinegraph.data.formats.clip_columns import read_labels_file
from kinegraph.messages import first_few

FILE_ENDING = re.compile(r"\.[A-Za-z]\w{1,8}$")


def with_labels(
    table: Mapping[str, dict[str, str]], file: Path, stems: Mapping[str, str] | None = None
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The facts of the clips that the file lists, its columns first; and a line on each kind of clip that is left out.

    table: what is known of each clip. stems: names of their files, where clips have other names. Raises ValueError
    where the file lists none of them.
    """
    file = Path(file)  # in Python also a text
    listing = read_labels_file(file)
    row = _rows(table, listing)
    row |= {clip: stem for clip, stem in (stems or {}).items() if clip in table and stem in listing}
    both = {clip: table[clip] | listing[key] for clip, key in row.items()}
    if not both:
        raise ValueError(
            f"{file} lists none of the clips, which are {first_few(list(table))}; its own are "
            f"{first_few(list(listing))}"
        )
    unlisted = [clip for clip in table if clip not in row]
    used = {*row.values()}
    absent = [key for key in listing if key not in used]
    lines = [f"{len(unlisted):,} clips that {file.name} does not list: {first_few(unlisted)}"] if unlisted else []
    lines += [f"{len(absent):,} clips of {file.name} without recording: {first_few(absent)}"] if absent else []
    return both, lines


def _rows(clips: Collection[str], listing: Collection[str]) -> dict[str, str]:
    """Clip -> its row, by the whole name, by its last part, or by the name of a file, such as videos/a.mp4 for a."""
    exact = {clip: name for clip in clips for name in (clip.rpartition("/")[2], clip) if name in listing}
    of_files: dict[str, str] = {}
    taken = {*exact.values()}
    for key in listing:
        if key not in taken:
            path = FILE_ENDING.sub("", key.replace("\\", "/"))
            of_files |= {path.rpartition("/")[2]: key, path: key}
    found = {clip: of_files.get(clip) or of_files.get(clip.rpartition("/")[2]) for clip in clips}
    return {clip: row for clip in clips if (row := exact.get(clip) or found[clip])}
