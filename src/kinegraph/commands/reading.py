"""Options of the verbs that ask a network about recordings: facts that the files lack, and steps of reading them.

A verb takes them as `**reading: Unpack[Facts]` and gives them on to `read_inputs`. What is not typed is not there.
`say_of_inputs` then says what came of it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from kinegraph.messages import first_few

if TYPE_CHECKING:  # readers take a second to import: not for --help
    from kinegraph.data.formats.recordings import Recordings


class Facts(TypedDict, total=False):
    """Facts that the files do not say. Each field has its type and its help."""

    layout: Annotated[str | None, "layout of the joints, a name or a .yaml file, where a file does not say it."]
    fps: Annotated[float | None, "frames a second, in place of what the files say."]
    image_size: Annotated[str | None, "width x height in pixels, such as 1920x1080, in place of what the files say."]
    units: Annotated[
        Literal["m", "cm", "mm", "px", "image", "normalised"] | None,
        "of the coordinates, where the file does not say them (see prepare).",
    ]


class Reading(Facts, total=False):
    """The facts, and what is done to clips and people while the files are read."""

    resample_fps: Annotated[
        float | None, "bring clips to so many frames a second first, such as those of the training."
    ]
    min_score: Annotated[
        float | None,
        "joints with a lower score count as not seen; jumps, fill and smooth clean further, see prepare.",
    ]
    mend_sides: Annotated[bool, "see prepare."]
    jumps: Annotated[float | None, "see prepare."]
    fill: Annotated[int | None, "see prepare."]
    smooth: Annotated[Literal["savgol", "one-euro"] | None, "see prepare."]
    bodies: Annotated[Literal["tracked", "energy", "score", "rows"] | None, "how people are followed, see prepare."]
    pose: Annotated[
        str | None,
        "of videos: the estimator of the joints, mediapipe (the default), rtmlib, or FILE.FUNCTION of --plugins.",
    ]
    cache: Annotated[str | None, 'of videos: folder in which estimated joints are kept, "off" for none; see prepare.']


def say_of_inputs(found: "Sequence[Recordings]", inputs: Sequence[Path]) -> None:
    """Print what was assumed, skipped and changed while inputs were read, what was said of several once."""
    said: dict[str, list[str]] = {}  # what was assumed -> of which inputs
    for one, path in zip(found, inputs, strict=True):
        for line in one.assumed:
            said.setdefault(line, []).append(str(path))
    for line, paths in said.items():
        print(f"note: {first_few(paths)}: assumed {line}", file=sys.stderr)
    for line in dict.fromkeys(line for one in found for line in one.skipped()):
        print(f"skipped: {line}", file=sys.stderr)
    for line in (line for one in found for line in one.changed()):
        print(f"note: {line}", file=sys.stderr)
