"""`kinegraph enroll WEIGHTS EXAMPLES... --out NEW`: new classes from a few examples each."""

from pathlib import Path
from typing import Literal, Unpack

import numpy as np

from kinegraph.commands.embed import Asking, described
from kinegraph.commands.reading import Facts, weights_first
from kinegraph.commands.signature import check_numbers
from kinegraph.files import check_new_file
from kinegraph.messages import counted


def enroll(
    weights: Path,
    examples: list[Path],
    *,
    out: Path,
    split: str | None = None,
    part: str = "train",
    map_layout: bool = False,
    format: str | None = None,
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None,
    skip_broken: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    batch_size: int = 32,
    plugins: list[Path] | None = None,
    **facts: Unpack[Facts],
) -> None:
    """Make a network for classes of your own from a few examples of each, in seconds; nothing is trained.

    The result is a weights file like any other, for predict, stream, export and all else. Below a probability that the
    examples say, predict adds that the clip may be none of the classes.

    Args:
        weights: "any", which takes every layout and needs no training, or a trained network: a .safetensors file or the
            name of weights that come with Kinegraph.
        examples: recordings with classes: a dataset folder, or a folder whose sub-folders are classes (CLASS/FILE);
            1 to 20 examples a class.
        out: weights file to write, NAME.safetensors.
        split: of a dataset folder: only the clips of one part of a split.
        part: part of the split.
        map_layout: take the joints by name where a recording has others, too, or names them as motion capture does.
        format: name of the files' format (see prepare), where their content does not decide it.
        up: vertical axis of the files (see prepare), where it is another one than in training.
        skip_broken: leave out what is broken and list it at the end, instead of stopping.
        overwrite: replace the file that is there.
        device: cpu, cuda or auto.
        batch_size: clips at a time.
        plugins: Python files that define the network, where the weights name one of your own.

    Examples:
        kinegraph enroll any examples/ --out mine.safetensors
        kinegraph predict mine.safetensors new.csv
    """
    check_numbers(batch_size=batch_size)
    check_new_file(out, (".safetensors",), overwrite=overwrite)
    from kinegraph.inference import enrolment
    from kinegraph.inference.embedding import is_any
    from kinegraph.models.weights import save_weights

    weights, examples = weights_first("enroll", weights, examples)
    options: dict[str, object] = {**facts, "up": up, "split": split, "part": part if split else None}
    how = Asking(format, skip_broken, map_layout, device, batch_size)
    found = described(weights, examples, options, how, examples=True)
    known, names, truths = found.known, found.names, found.truths
    if None in truths:
        raise ValueError(
            f"clip '{names[truths.index(None)]}' has no class: put files of each class into a folder of its name, or "
            "give a dataset folder with labels"
        )
    classes = tuple(dict.fromkeys(map(str, truths)))
    labels = np.array([classes.index(str(truth)) for truth in truths])
    made = enrolment.enrolled(known, found.vectors, labels, classes, found.frames, found.subjects)
    extra = made.weights.extra | ({} if is_any(weights) else {"based_on": {"weights": str(weights)}})
    save_weights(
        out,
        made.weights.model,
        layout=known.layout,
        class_names=classes,
        preprocessing=made.weights.preprocessing,
        extra=extra,
    )
    print(f"{out}: {len(classes)} classes of {counted(len(names), 'example')}")
    if made.right is None:
        print("note: one example of each class: nothing says how often answers will be right; a second example would")
        return
    others = "other people" if made.by_person else "others"
    print(
        f"each example by a head of all {others}: {made.right:.1%} right; below a probability of {made.least:.1%} "
        "rather none of the classes"
    )
