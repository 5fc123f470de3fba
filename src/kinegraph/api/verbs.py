"""`kg.prepare`, `kg.train`, `kg.test` and the others: the verbs of the command line with objects for results.

Their options are those of the command, with `_` for `-`: `kinegraph help train` lists them. A dataset, a run or a path
may stand for each other wherever that is possible. All raise ValueError for wrong input, with one line.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kinegraph.api.calls import call
from kinegraph.data.dataset import SkeletonDataset, write_dataset
from kinegraph.data.formats.data_frames import as_file, is_frame
from kinegraph.notebook import ShownPath
from kinegraph.skeleton.clip import SkeletonClip

if TYPE_CHECKING:
    from kinegraph.commands.crossval import CrossValidation
    from kinegraph.commands.inspect import Inspection
    from kinegraph.evaluation.evaluation import Evaluation
    from kinegraph.evaluation.timelines import TimelineEvaluation
    from kinegraph.report.trained import Run

Place = str | PathLike[str]


def prepare(path: "Place | Any", out: Place, *, progress: bool = True, **options: Any) -> SkeletonDataset:
    """Raw recordings -> a dataset folder, opened; as `kinegraph prepare`, whose options these are.

    path: a file, a folder, or a table of pandas or polars. out: the folder to make. progress: print what the command
    prints; without it, its notes and warnings come as Python's.
    """
    with ExitStack() as stack:
        place = stack.enter_context(as_file(path)) if is_frame(path) else path
        return call("prepare", {"path": place, "out": out, **options}, progress)


def train(
    config: Place | None = None,
    *,
    dataset: Place | SkeletonDataset | None = None,
    progress: bool = True,
    **options: Any,
) -> "Run":
    """Train a network as a config says; as `kinegraph train`, whose options these are: `epochs=20`, `work_dir=...`.

    config: a YAML file or the name of a config that comes with Kinegraph, such as "small_data". An option of a part is
    a mapping, `preprocessing={"streams": ["bone"]}`, or a class, `optimizer=torch.optim.AdamW`. progress: print what
    the command prints. A run that is interrupted goes on with `resume=True`.
    """
    from kinegraph.report.trained import Run

    given = {"config": config, "dataset": dataset, **options}
    return Run(Path(call("train", given, progress, from_config=True)))


def test(
    weights: "Place | Run",
    dataset: Place | SkeletonDataset | None = None,
    split: str | None = None,
    *,
    config: Place | None = None,
    progress: bool = True,
    **options: Any,
) -> "Evaluation | TimelineEvaluation":
    """Measure trained weights on one part of a split; as `kinegraph test`, whose options these are: `out=...`.

    weights: a run, whose config says dataset and split, or a weights file, for which they are given. config: as the
    command takes it, where weights of another project need one. Of long recordings the result is another, with
    `.metrics` too.
    """
    from kinegraph.report.trained import Run

    file = weights.best or weights.last or weights.folder if isinstance(weights, Run) else Path(weights)
    own = next((config for config in _configs_of(file) if config.is_file()), None)
    if (config := config or own or dataset) is None:
        what = "is no weights of a run:" if file.exists() else "is no run folder; of other weights"
        raise ValueError(f"{file} {what} say dataset and split, or config")
    return call("test", {"config": config, "checkpoint": file, "dataset": dataset, "split": split, **options}, progress)


def draw(
    input: "Place | SkeletonClip | SkeletonDataset | Any", out: Place, *, progress: bool = True, **options: Any
) -> ShownPath:
    """A clip as a page that plays it (.html), a video (.mp4, .gif) or a film strip (.png); as `kinegraph draw`.

    input: a `SkeletonClip`, a dataset or a path, of which the option `clip` chooses one, or a table. Returns `out`; a
    notebook shows it.
    """
    with ExitStack() as stack:
        place = stack.enter_context(as_file(input)) if is_frame(input) else input
        if isinstance(input, SkeletonClip):
            place = _dataset_of(input, Path(stack.enter_context(TemporaryDirectory())))
        return ShownPath(call("draw", {"input": place, "out": out, **options}, progress))


def report(*runs: "Place | Run", out: Place | None = None, progress: bool = True) -> ShownPath:
    """A page about a run or a test, or several compared; as `kinegraph report`. Returns its path.

    A notebook shows the page.
    """
    if not runs:
        raise ValueError("report needs a run, such as kg.report('runs/mine')")
    return ShownPath(call("report", {"runs": list(runs), "out": out}, progress))


def crossval(
    config: Place, *, dataset: Place | SkeletonDataset | None = None, progress: bool = True, **options: Any
) -> "CrossValidation":
    """Train and test in folds, every clip tested once; as `kinegraph crossval`, whose options these are.

    train_options: words for `kinegraph train`, such as ["--epochs", "30"]. Each fold is a process of its own.
    """
    return call("crossval", {"config": config, "dataset": dataset, **options}, progress)


def inspect(path: "Place | SkeletonDataset | Run | Any", **options: Any) -> "Inspection":
    """What a path or a table holds and what is wrong with it; as `kinegraph inspect`, and printed as by the command."""
    with ExitStack() as stack:
        place = stack.enter_context(as_file(path)) if is_frame(path) else path
        return call("inspect", {"path": place, **options}, progress=False, warn=False)


def _configs_of(weights: Path) -> Sequence[Path]:
    """Where the config of a run lies, seen from its folder or from weights in it."""
    return [weights / "config.yaml", weights.parent.parent / "config.yaml"]


def _dataset_of(clip: SkeletonClip, folder: Path) -> Path:
    """A dataset folder with one clip, for a verb that reads files. The clip's label has no class name there."""
    units = "px" if clip.keypoint.shape[3] == 2 else "m"
    alone = replace(clip, name=clip.name or "clip", label=None, splits={}, segments=None)
    write_dataset(folder / "clip", [alone], layout=clip.layout, class_names=["clip"], units=units, source="")
    return folder / "clip"
