"""`kinegraph explain WEIGHTS DATASET`: which joints a network's answers rest on, over many clips."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from kinegraph.commands.reading import weights_first
from kinegraph.commands.signature import check_numbers
from kinegraph.messages import counted

if TYPE_CHECKING:  # torch takes seconds to import: not for --help
    from kinegraph.inference.explanation import JointShares
    from kinegraph.skeleton.layout import JointLayout

BAR = 24  # characters of the largest share
JOINTS = 8  # of all classes
CLASSES = 150  # in the table
NAMED = 3  # joints of a class
PIPE_WIDTH = 160  # columns of a table that is not read on a terminal


def explain(
    weights: Path,
    dataset: Path,
    *,
    split: str | None = None,
    part: str | None = None,
    out: Path | None = None,
    map_layout: bool = False,
    device: str = "auto",
    batch_size: int = 32,
    plugins: list[Path] | None = None,
) -> None:
    """Which joints the answers rest on: of all that speaks for the class a clip is given, the share of each joint.

    Args:
        weights: a .safetensors file or the name of weights that come with Kinegraph.
        dataset: dataset folder made by `kinegraph prepare`.
        split: only the clips of one part of a split.
        part: part of the split, by default val, or test where there is no val.
        out: also write all shares of all classes to a .csv file.
        map_layout: take the joints by name where the dataset has others too, or has them in another order.
        device: cpu, cuda or auto.
        batch_size: clips at a time.
        plugins: Python files that define the network, where the weights name one of your own.

    Examples:
        kinegraph explain ui-prmd-10 data/ui-prmd --split xsub --part val --out joints.csv
    """
    check_numbers(batch_size=batch_size)
    if part is not None and split is None:
        raise ValueError("--part is of a split: give --split too")
    if out is not None and (out.suffix != ".csv" or not out.parent.is_dir()):
        raise ValueError(f"--out is {out}, expected a .csv file in a folder that exists")
    weights, (dataset,) = weights_first("explain", weights, [dataset])
    from kinegraph.atomic import write_atomic
    from kinegraph.data.dataset import open_dataset
    from kinegraph.inference.explanation import joint_shares, left_out
    from kinegraph.inference.predictor import placed, predictor_of

    predictor = placed(predictor_of(weights, map_layout=map_layout), device)
    folder = open_dataset(dataset)
    part = part or (folder.held_out(split) if split else None)
    indices = folder.indices(split, part) if split and part else np.arange(len(folder))
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)
    bar = Console(stderr=True)
    clips = track(indices, "explaining", console=bar, transient=True, disable=not bar.is_terminal)
    shares = joint_shares(predictor, (predictor.fit(folder[i]) for i in clips), batch_size)
    counts = "windows" if predictor.of_frames else "clips"
    _show(console, shares, predictor.layout, counts)
    windows = f" in {len(shares.answers):,} windows of {predictor.preprocessing.frames} frames"
    where = f"{split} / {part} of {dataset}" if split else f"{dataset}"
    clips = counted(len(indices), "clip") + windows * predictor.of_frames
    print(f"{where}, {clips}; evenly shared, a joint would have {1 / len(shares.joints):.1%}")
    if line := left_out(predictor):
        print(line)
    if out:
        write_atomic(out, _csv(shares, predictor.layout))
        print(f"table: {out}")


def _show(console: Console, shares: "JointShares", layout: "JointLayout", counts: str) -> None:
    """counts: what the shares are of, clips or windows."""
    overall = shares.overall
    against_even = overall * len(overall) - 1
    table = Table("joint", "share", "against even", "", title="all classes", title_justify="left")
    order = np.argsort(-overall, kind="stable")
    for joint in order[:JOINTS]:
        more = against_even[joint]
        size = round(BAR * abs(more) / np.abs(against_even).max()) if more else 0
        bar = Text("█" * size, style="blue") if more > 0 else Text("░" * size)
        table.add_row(Text(shares.joints[joint]), f"{overall[joint]:.1%}", f"{more:+.0%}", bar)
    console.print(table)
    if len(order) > JOINTS:
        console.print(
            f"... and {len(order) - JOINTS} joints with less, of {overall[order[JOINTS:]].sum():.1%} together"
        )
    console.print(f"left {_percent(_side(overall, layout, 0))}, right {_percent(_side(overall, layout, 1))}")
    table = Table("answer", counts, "left", "right", "joints with the largest shares", title_justify="left")
    table.title = "by class"
    answered = np.bincount(shares.answers, minlength=len(shares.class_names))
    labels = np.flatnonzero(answered)
    for label in labels[:CLASSES]:
        name, clips = shares.class_names[label], int(answered[label])
        share = shares.of_class(int(label))
        best = ", ".join(f"{shares.joints[i]} {share[i]:.1%}" for i in np.argsort(-share, kind="stable")[:NAMED])
        sides = (_percent(_side(share, layout, side)) for side in (0, 1))
        table.add_row(Text(name), f"{clips:,}", *sides, Text(best))
    console.print(table)
    if len(labels) > CLASSES:
        console.print(f"... and {len(labels) - CLASSES:,} more classes; --out FILE.csv has them all")


def _side(share: np.ndarray, layout: "JointLayout", side: int) -> float:
    """The share of all joints on the left (0) or the right (1); NaN where the layout has no pairs."""
    return float(share[[pair[side] for pair in layout.mirror]].sum()) if layout.mirror else math.nan


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"


def _csv(shares: "JointShares", layout: "JointLayout") -> bytes:
    """A row for all clips together and one for each class: clips, left, right and the share of each joint."""
    from kinegraph.evaluation.evaluation import csv_bytes

    groups = [("all", len(shares.answers), shares.overall)]
    groups += [
        (name, int((shares.answers == i).sum()), shares.of_class(i)) for i, name in enumerate(shares.class_names)
    ]
    rows: list[list] = [["answer", "clips", "left", "right", *shares.joints]]
    for name, clips, share in groups:
        values = [_side(share, layout, 0), _side(share, layout, 1), *share]
        rows.append([name, clips, *("" if math.isnan(value) else f"{value:.6f}" for value in values)])
    return csv_bytes(rows)
