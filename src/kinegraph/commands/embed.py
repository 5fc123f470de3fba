"""`kinegraph embed WEIGHTS INPUT...`: clips as vectors, in a file."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

import numpy as np

from kinegraph.commands.reading import Facts, say_of_inputs, weights_first
from kinegraph.commands.signature import check_numbers
from kinegraph.files import check_new_file
from kinegraph.messages import counted
from kinegraph.screen import note

if TYPE_CHECKING:  # torch takes seconds to import: not for --help
    from jaxtyping import Float

    from kinegraph.models.weights import Weights


def embed(
    weights: Path,
    inputs: list[Path],
    *,
    out: Path,
    split: str | None = None,
    part: str | None = None,
    map_layout: bool = False,
    format: str | None = None,
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None,
    skip_broken: bool = False,
    device: str = "auto",
    batch_size: int = 32,
    plugins: list[Path] | None = None,
    **facts: Unpack[Facts],
) -> None:
    """Write a vector for each clip: what a network knows of it before it names a class.

    Args:
        weights: a .safetensors file, the name of weights that come with Kinegraph, or "any", which takes every layout.
        inputs: recordings of any known format, see predict.
        out: a .npz file (arrays vectors, names, classes) or a .csv file (one row per clip).
        split: of a dataset folder: only the clips of one part of a split.
        part: part of the split, by default val, or test where there is no val.
        map_layout: take the joints by name where a recording has others, too, or names them as motion capture does.
        format: name of the files' format (see prepare), where their content does not decide it.
        up: vertical axis of the files (see prepare), where it is another one than in training.
        skip_broken: leave out what is broken and list it at the end, instead of stopping.
        device: cpu, cuda or auto.
        batch_size: clips at a time.
        plugins: Python files that define the network, where the weights name one of your own.

    Examples:
        kinegraph embed best.safetensors data/mine --out vectors.npz
    """
    check_numbers(batch_size=batch_size)
    from kinegraph.inference.embedding import KINDS, write_embeddings

    weights, inputs = weights_first("embed", weights, inputs)
    check_new_file(out, KINDS)
    options: dict[str, object] = {**facts, "up": up, "split": split, "part": part}
    found = described(weights, inputs, options, Asking(format, skip_broken, map_layout, device, batch_size))
    vectors = found.vectors.mean(1)
    write_embeddings(out, vectors, found.names, found.truths)
    print(f"{out}: {counted(len(vectors), 'clip')}, vectors of {vectors.shape[1]} numbers")


@dataclass(frozen=True)
class Asking:
    """How clips are read and given to the network: options of the command line."""

    format: str | None
    skip_broken: bool
    map_layout: bool
    device: str
    batch_size: int


@dataclass(frozen=True, eq=False)
class Described:
    """The network, and for each clip the vectors of its views, its name, its class, its length and its subject."""

    known: "Weights"
    vectors: "Float[np.ndarray, 'N views D']"
    names: list[str]
    truths: list[str | None]
    frames: list[int]
    subjects: list[object]


def described(
    weights: Path, inputs: list[Path], options: dict[str, object], asking: Asking, *, examples: bool = False
) -> Described:
    """Vectors of all views, names and classes of all clips; what was assumed or left out is said.

    examples: see `encoder_for`.
    """
    from rich.console import Console
    from rich.progress import track

    from kinegraph.inference.embedding import embeddings, encoder_for, is_any
    from kinegraph.inference.inputs import compared, questions, read_inputs
    from kinegraph.inference.predictor import placed, predictor_of
    from kinegraph.models.weights import load_weights

    known = None if is_any(weights) else load_weights(weights)
    classes, layout = (known.class_names, known.layout) if known else ((), None)
    on_fault = "skip" if asking.skip_broken else "stop"
    found = read_inputs(inputs, classes, options, format=asking.format, on_fault=on_fault, layout=layout)
    names: list[str] = []
    truths: list[str | None] = []
    frames: list[int] = []
    subjects: list[object] = []
    console = Console(stderr=True)
    with closing(questions(found, inputs, classes)) as asked:
        if known is None:
            asked = list(asked)
            clips_and_truths = [question.clip for question in asked], [question.truth for question in asked]
            known = encoder_for(*clips_and_truths, examples=examples)
        predictor = placed(predictor_of(known, map_layout=asking.map_layout), asking.device)

        def clips(asked):
            for question in asked:
                names.append(question.clip.name)
                truths.append(question.truth)
                frames.append(question.clip.frames)
                subjects.append(question.clip.attributes.get("subject"))
                yield predictor.fit(question.clip)

        asked = compared(asked, predictor, note, turned=options["up"] is not None)
        count = sum(recordings.count for recordings in found)
        asked = track(asked, "describing", count, console=console, transient=True, disable=not console.is_terminal)
        vectors = list(embeddings(predictor, clips(asked), asking.batch_size))
    say_of_inputs(found, inputs)
    if not vectors:
        raise ValueError("there is no clip in " + ", ".join(map(str, inputs)))
    return Described(known, np.stack(vectors), names, truths, frames, subjects)
