"""Heads that are fitted in closed form before training: those of networks whose features nothing trains."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from rich.console import Console
from rich.progress import track
from torch import Tensor

from kinegraph.data.augment import mirrored_classes
from kinegraph.data.loading import ClipDataset, fixed_loader
from kinegraph.data.windows import WindowDataset
from kinegraph.messages import counted
from kinegraph.models.layers.absent import clip_vectors
from kinegraph.models.network import ClosedForm
from kinegraph.models.ridge import fit_head, groups_of

MOST = 4000  # clips: the time of a fit grows faster than their number
RARE = 5  # clips of a class that are taken though chance would take fewer
SAMPLE = 300  # clips that a network without training looks at
BATCH = 32


@torch.no_grad()
def fit_closed_form(parts: Sequence[ClosedForm], clips: ClipDataset | WindowDataset, *, shown: bool = False) -> str:
    """Fit the parts of a network that are fitted in closed form to its training clips, as a test sees these.

    parts: of `SkeletonNetwork.closed_form_parts`. shown: a bar on a terminal says how far it is. Returns a line that
    says to what. Raises ValueError for frames of recordings.
    """
    name = type(parts[0].network).__name__
    if isinstance(clips, WindowDataset):
        raise ValueError(f"{name} is fitted to clips, but the task is frames; give another network")
    seen, mirrored = _as_tested(clips)
    classes, subjects = len(seen.folder.class_names), seen.folder.attributes.get("subject")
    people = None if subjects is None else groups_of(subjects[seen.indices], seen.label)
    for part in parts:
        part.network.see(torch.cat(list(_some_bodies(seen, part))))
        vectors = np.concatenate(list(_vectors(seen, part, f"fitting {name}" if shown else None)))
        part.put(fit_head(vectors.astype(np.float64), seen.label, classes, mirrored, people))
    of = "" if len(seen) == len(clips) else f" of {len(clips):,}"
    return f"{name}: fitted in closed form to {counted(len(seen), 'clip')}{of}"


def _as_tested(clips: ClipDataset) -> tuple[ClipDataset, Int[np.ndarray, "classes"] | None]:
    """The clips, or so many of them, without random changes; and the classes of mirror images, where they have others.

    A clip is seen in the mirror where training clips are mirrored.
    """
    steps, indices, names = clips.preprocessing, clips.indices, clips.folder.class_names
    if len(indices) > MOST:
        indices = indices[some_of_all(clips.label)]
    other = mirrored_classes(names)
    other_class = steps.augment.mirror_labels and bool((other != np.arange(len(names))).any())
    mirror = steps.test_mirror or steps.augment.mirror > 0
    varied = replace(steps.augment, mirror_labels=False)  # the head knows the classes of mirror images
    steps = replace(steps, test_clips=1, test_mirror=mirror, augment=varied)
    return ClipDataset(clips.folder, indices, steps), other if other_class else None


def some_of_all(label: Int[np.ndarray, "N"]) -> Int[np.ndarray, "n"]:
    """Places of MOST clips, in order, and of more where a class had fewer than RARE among them."""
    random = np.random.default_rng(0)
    chosen = np.zeros(len(label), bool)
    chosen[random.choice(len(label), MOST, replace=False)] = True
    for class_ in np.unique(label):
        left = np.flatnonzero((label == class_) & ~chosen)
        lacking = max(RARE - int(chosen[label == class_].sum()), 0)
        chosen[random.permutation(left)[:lacking]] = True
    return np.flatnonzero(chosen)


def _some_bodies(clips: ClipDataset, part: ClosedForm) -> Iterator[Float[Tensor, "B T V C"]]:
    """The people of clips evenly taken from all."""
    for position in np.unique(np.linspace(0, len(clips) - 1, SAMPLE).astype(int)):
        views, _, people, _ = clips[0, int(position)]
        yield torch.from_numpy(views[0, : max(people, 1)])[..., part.seen]


def _vectors(clips: ClipDataset, part: ClosedForm, title: str | None) -> Iterator[Float[np.ndarray, "N views D"]]:
    """title: of the bar that shows how far it is, if any."""
    console, hidden = Console(stderr=True), title is None or not sys.stderr.isatty()
    batches = fixed_loader(clips, BATCH)
    for views, _, people, _ in track(
        batches, title or "", len(batches), console=console, transient=True, disable=hidden
    ):
        x = views.flatten(0, 1)[..., part.seen]
        vectors = clip_vectors(part.network, x, people.repeat_interleave(views.shape[1]))
        yield vectors.unflatten(0, (-1, views.shape[1])).numpy()
