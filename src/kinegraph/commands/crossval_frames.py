"""What `kinegraph crossval` says of long recordings: the figures of frames and segments, of all folds together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kinegraph.commands.test_frames import write_results
from kinegraph.data.dataset import SkeletonDataset
from kinegraph.evaluation.frame_results import read_timelines
from kinegraph.evaluation.metrics import ratio_interval
from kinegraph.evaluation.timelines import Timeline, TimelineEvaluation, sums
from kinegraph.messages import counted
from kinegraph.report.html import About
from kinegraph.report.timelines_page import worst_scenes
from kinegraph.training.crossval import Fold, Job

SHOWN = ("frame_accuracy", "edit", "f1_10", "f1_25", "f1_50")


def tested(folder: SkeletonDataset, job: Job, fold: Fold) -> TimelineEvaluation:
    """What the network of a job said of its fold."""
    timelines = read_timelines(job.result, folder)
    if {timeline.name for timeline in timelines} != {folder.names[index] for index in fold.indices.tolist()}:
        raise ValueError(f"{job.result} is of other recordings than the fold; delete {job.run}")
    return TimelineEvaluation(timelines, folder.class_names)


def together(folder: SkeletonDataset, parts: Sequence[TimelineEvaluation]) -> TimelineEvaluation:
    """All recordings, in dataset order."""
    place = {name: index for index, name in enumerate(folder.names)}
    timelines = sorted(
        (timeline for part in parts for timeline in part.timelines), key=lambda timeline: place[timeline.name]
    )
    return TimelineEvaluation(timelines, folder.class_names)


def intervals(pooled: Sequence[TimelineEvaluation], groups: Sequence[str]) -> dict[str, tuple[float, float]]:
    """95 % intervals over groups of recordings, such as those of a subject. groups: of each recording.

    Of several seeds the sums are taken together.
    """
    rows = [[sums(timeline) for timeline in seed.timelines] for seed in pooled]
    found: dict[str, tuple[float, float]] = {}
    for name in SHOWN:
        parts, wholes = np.array([[row[name] for row in seed] for seed in rows]).sum(axis=0).T
        if wholes.any():
            found[name] = ratio_interval(parts, wholes, np.array(groups), np.random.default_rng(0))
    return found


def write(out: Path, evaluation: TimelineEvaluation, folder: SkeletonDataset, about: About) -> Path:
    """Write figures, predicted segments, probabilities and the page. Returns the page's path."""
    timelines: Sequence[Timeline] = evaluation.timelines
    source = f"{folder.source}; {counted(len(timelines), 'long recording')}"
    said = {"config_text": about.config_text, "environment": about.environment, "warnings": about.warnings}
    scenes = worst_scenes(timelines, folder)
    return write_results(
        out, None, timelines, folder.class_names, title=about.title, source=source, scenes=scenes, **said
    )
