"""What a run's weights say of their training: data, split, figures, recipe."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from kinegraph.data.conditions import CLIPS, Conditions, conditions_of
from kinegraph.data.loading import ClipDataset
from kinegraph.data.windows import WindowDataset
from kinegraph.models.network import divide_logits
from kinegraph.models.weights import save_weights
from kinegraph.training.loop import Progress
from kinegraph.training.losses import class_counts
from kinegraph.training.options import TrainOptions
from kinegraph.training.run_folder import RunFolder, portable_recipe
from kinegraph.training.setup import FIGURES, SEGMENTAL, Data, absent_classes, coordinates


def weights_writer(
    options: TrainOptions, data: Data, run: RunFolder, config_text: str
) -> Callable[[Path, nn.Module, Progress], None]:
    """The function that writes the weights of a run, with what is known about them."""
    temperature = options.temperature

    def write(path: Path, network: nn.Module, progress: Progress) -> None:
        validations = [record for record in run.records("val") if record["epoch"] == progress.epoch][-1:]
        chosen_by = options.monitor if path == run.best else None
        extra = {
            "training": training_facts(data.clips, options.split) | _frame_facts(data.clips),
            "epoch": progress.epoch,
            "epochs": data.epochs,
            "measured": [measured_facts(data.val_clips, options.split, record, chosen_by) for record in validations],
        }
        if based_on := run.records("environment")[0].get("based_on"):
            extra["based_on"] = based_on
        extra["recipe"] = portable_recipe(config_text)
        names, preprocessing = data.folder.class_names, data.preprocessing.to_dict()
        if temperature != 1:
            network = divide_logits(deepcopy(network), temperature)
        save_weights(path, network, layout=data.layout, class_names=names, preprocessing=preprocessing, extra=extra)

    return write


def _frame_facts(clips: ClipDataset | WindowDataset) -> dict[str, Any]:
    """What weights of long recordings say besides: windows, not clips, were seen, and what a frame may have."""
    if isinstance(clips, ClipDataset):
        return {}
    none = clips.folder.none
    about = {"task": "frames", "several": clips.several, "frames": [clips.frames] * 3}
    return about | ({} if none is None else {"none": clips.folder.class_names[none]})


def training_facts(clips: ClipDataset | WindowDataset, split: str) -> dict[str, Any]:
    """What weights trained on these clips say about them: source, licence, how many, of whom."""
    folder, counts = clips.folder, class_counts(clips)
    facts = {
        "source": folder.source,
        "licence": folder.licence,
        "split": split,
        "part": "train",
        "clips": len(clips.indices),
        "classes": sum(count > 0 for count in counts),
        "frames": [int(n) for n in np.percentile(folder.frames[clips.indices], (0, 50, 100))],
        "coordinates": list(coordinates(folder)),
        "units": folder.units,
        "recorded": recorded(clips).to_dict(),
    }
    if (subjects := folder.attributes.get("subject")) is not None:
        facts["subjects"] = len(np.unique(subjects[clips.indices]))
    return facts | ({"absent": absent} if (absent := absent_classes(clips)) else {})


def recorded(clips: ClipDataset | WindowDataset) -> Conditions:
    """How the recordings were made, from some of these clips."""
    count = len(clips.indices)
    some = clips.indices[np.linspace(0, count - 1, min(count, CLIPS)).astype(int)]
    return conditions_of((clips.folder[index] for index in some), clips.folder.units)


def measured_facts(
    clips: ClipDataset | WindowDataset, split: str, record: Mapping[str, Any], chosen_by: str | None = None
) -> dict[str, Any]:
    """What weights say about a validation; record: its line in the log. chosen_by: the figure that chose the epoch."""
    facts = {
        "source": clips.folder.source,
        "split": split,
        "part": clips.folder.held_out(split),
        "clips": len(clips.indices),
    }
    facts |= {name: record[name] for name in (*FIGURES, *SEGMENTAL) if name in record}
    return facts | ({"chosen_by": chosen_by} if chosen_by else {})
