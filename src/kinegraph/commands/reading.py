"""What the verbs share that ask a network about recordings.

Their options of reading: facts that the files lack, and steps. A verb takes them as `**reading: Unpack[Facts]` and
gives them on to `read_inputs`; what is not typed is not there. Then the lines about recordings that are printed, and
words of a command line that stand in another order than the verb expects them.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kinegraph.commands.configs import named_configs
from kinegraph.messages import first_few, plain_name
from kinegraph.models.weights_path import zoo_names
from kinegraph.screen import note

if TYPE_CHECKING:  # readers take a second to import: not for --help
    from kinegraph.data.pose.sightings import Step, Watch
    from kinegraph.data.preprocessing import Preprocessing
    from kinegraph.data.reading.clips.recordings import Recordings


LONG = 3  # times the longest training clip: one answer says little of such a recording
SECONDS_A_LINE = 10


class Facts(TypedDict, total=False):
    """Facts that the files do not say. Each field has its type and its help."""

    layout: Annotated[str | None, "layout of the joints, a name or a .yaml file, where a file does not say it."]
    fps: Annotated[float | None, "frames a second, in place of what the files say."]
    image_size: Annotated[str | None, "width x height in pixels, such as 1920x1080, in place of what the files say."]
    units: Annotated[
        Literal["m", "cm", "mm", "in", "ft", "px", "image", "normalised"] | None,
        "of the coordinates, where the file does not say them (see prepare).",
    ]


class Reading(Facts, total=False):
    """The facts, and what is done to clips and people while the files are read."""

    resample_fps: Annotated[
        float | None, "bring clips to so many frames a second first, such as those of the training."
    ]
    min_score: Annotated[
        float | None, "joints with a lower score count as not seen; jumps, fill and smooth clean further, see prepare."
    ]
    mend_sides: Annotated[bool, "see prepare."]
    jumps: Annotated[float | None, "see prepare."]
    fill: Annotated[int | None, "see prepare."]
    smooth: Annotated[Literal["savgol", "one-euro"] | None, "see prepare."]
    bodies: Annotated[Literal["tracked", "energy", "score", "rows"] | None, "how people are followed, see prepare."]
    parts: Annotated[
        list[Literal["body", "hands", "face"]] | None,
        "hands and face of OpenPose's and MediaPipe's files, see prepare; by default those that the network knows.",
    ]
    pose: Annotated[
        str | None,
        "of videos: the estimator of the joints, mediapipe (the default), rtmlib, or FILE.FUNCTION of --plugins.",
    ]
    cache: Annotated[str | None, 'of videos: folder in which estimated joints are kept, "off" for none; see prepare.']


def say_of_inputs(found: "Sequence[Recordings]", inputs: Sequence[Path]) -> None:
    """Print what was assumed, skipped and changed while inputs were read, what was said of several once."""
    said: dict[str, list[str]] = {}  # what was assumed -> of which inputs
    for recordings, path in zip(found, inputs, strict=True):
        for line in recordings.assumed:
            said.setdefault(line, []).append(str(path))
    for line, paths in said.items():
        note(f"{first_few(paths)}: assumed {line}")
    for line in dict.fromkeys(line for recordings in found for line in recordings.skipped()):
        print(f"skipped: {line}", file=sys.stderr)
    for line in (line for recordings in found for line in recordings.changed()):
        note(line)


def window_hint(extra: Mapping[str, Any], steps: "Preprocessing", name: str, frames: int) -> str | None:
    """A line that names --window, for a clip of so many frames. extra: of the weights, see `models/weights.py`."""
    shortest, median, longest = extra.get("training", {}).get("frames", (0, 0, frames))
    if frames <= LONG * longest:
        return None
    part = f" and sees {steps.frames} of them" if steps.sampling in ("loop", "fill", "pad", "window") else ""
    return (
        f"note: clip '{plain_name(name)}' has {frames:,} frames, the network was trained on clips of {shortest:,} to "
        f"{longest:,}{part}; --window {median} says what is done when"
    )


# ---- words in another order: understood, and said --------------------------------------------------------------------


def weights_first(verb: str, weights: Path, others: Sequence[Path]) -> tuple[Path, list[Path]]:
    """The weights and the other words of `kinegraph VERB WEIGHTS ...`, if one of the others is the weights."""
    if _are_weights(weights) or not weights.exists():
        return weights, list(others)
    found = [path for path in others if _are_weights(path)]
    if len(found) != 1:
        return weights, list(others)
    rest = [weights, *(path for path in others if path is not found[0])]
    _say_order(verb, [found[0], *rest])
    return found[0], rest


def config_first(verb: str, config: Path, weights: Path) -> tuple[Path, Path]:
    """The words of `kinegraph VERB CONFIG WEIGHTS`."""
    if weights.suffix not in (".yaml", ".yml") or not _are_weights(config):
        return config, weights
    _say_order(verb, [weights, config])
    return weights, config


def with_config_of_run(argv: Sequence[str]) -> list[str]:
    """The words of `kinegraph test RUN ...` with the config of the run before it, where a run folder stands alone.

    So with weights that lie in a run folder, and where a dataset folder follows without --dataset. Raises ValueError
    where what stands alone is nothing, or another folder.
    """
    if len(argv) > 1 and (Path(argv[0]) / "config.yaml").is_file() and (Path(argv[1]) / "dataset.json").is_file():
        argv = [argv[0], "--dataset", *argv[1:]]
        _say_order("test", [Path(word) for word in argv[:3]])
    alone = bool(argv) and not argv[0].startswith("-") and (len(argv) == 1 or argv[1].startswith("-"))
    if not alone or "--from" in (word.partition("=")[0] for word in argv):
        return list(argv)
    path = Path(argv[0])
    run = path.parent.parent if path.suffix == ".safetensors" and path.parent.name == "checkpoints" else path
    if (config := run / "config.yaml").is_file():
        return [str(config), *argv]
    if path.is_dir():
        raise ValueError(f"{path} is no run folder: it has no config.yaml; expected kinegraph test CONFIG CHECKPOINT")
    if not path.exists() and not path.suffix and (path.parent != Path() or path.name not in named_configs()):
        raise ValueError(f"there is no run {path}")
    return list(argv)


def _are_weights(path: Path) -> bool:
    """A weights file or checkpoint, a run folder, or a name in the zoo."""
    if path.is_dir():
        if (path / "checkpoint").is_file():  # of TensorFlow
            return True
        return (path / "checkpoints").is_dir() or (path / "last.safetensors").is_file()
    return path.suffix in (".safetensors", ".pth", ".pt", ".index") or (not path.exists() and str(path) in zoo_names())


def _say_order(verb: str, words: Sequence[Path]) -> None:
    note(f"read as kinegraph {verb} {' '.join(map(str, words))}")


# ---- how far the people of a video are estimated ---------------------------------------------------------------------


@contextmanager
def watching() -> "Iterator[Watch]":
    """What is called after each frame: it shows the name of the video, its frames, and frames a second.

    On a terminal's stderr a bar, elsewhere a line now and then.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[said]}", markup=False),
        TimeRemainingColumn(),
    )  # fmt: skip
    bar, tasks = Progress(*columns, console=console, transient=True), dict[str, TaskID]()

    def shown(step: "Step") -> None:
        bar.start()
        if step.name not in tasks:
            for done in tasks.values():
                bar.update(done, visible=False)
            tasks[step.name] = bar.add_task(step.name, total=step.total, said="")
        bar.update(tasks[step.name], completed=step.frame, said=_said(step))

    try:
        yield shown
    finally:
        bar.stop()


def opened_lines(path: Path) -> "Callable[[int, int], None]":
    """What is called while the files of a folder are opened: a line on stderr now and then."""
    last = time.monotonic()

    def shown(done: int, of: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_A_LINE:
            last = time.monotonic()
            print(f"opening {path}: {done:,} of {of:,} files", file=sys.stderr, flush=True)

    return shown


def _lines() -> "Watch":
    last = time.monotonic()

    def shown(step: "Step") -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_A_LINE:
            last = time.monotonic()
            print(f"{step.name}: {_said(step)}", file=sys.stderr, flush=True)

    return shown


def _said(step: "Step") -> str:
    of = f" of {step.total:,}" if step.total and step.total >= step.frame else ""
    share = f", pose {step.estimating / step.seconds:.0%} of the time" if step.seconds else ""
    return f"{step.frame:,}{of} frames, {step.frame / max(step.seconds, 1e-9):.1f} frames/s{share}"
