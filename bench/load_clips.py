"""How many clips a second become training batches on one core, beside a plain pipeline that works as published ones do.

    python bench/load_clips.py [--clips 600] [--rounds 7] [--batch-size 32]

Made-up recordings of NTU RGB+D's form (25 joints, 30 to 300 frames, one person in 80 % of them) are written to a
temporary dataset folder, which then lies in memory. The recipes are those of the configs named. The plain pipeline
computes the first of them as MMAction2 1.x does: the whole clip is centred and turned joint by joint, then frames are
taken and the batch is stacked. Speeds are of one process without workers, per second of processor time; the contestants
take turns, medians and the ratio to the plain pipeline are printed, and both pipelines' test views are compared.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from kinegraph.data.augment import Augmentation
from kinegraph.data.dataset import SkeletonDataset, write_dataset
from kinegraph.data.loading import ClipDataset, fixed_loader, train_loader
from kinegraph.data.normalize import shortest_rotation
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.data.sampling import uniform_indices, uniform_test_indices
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import JointLayout, load_layout

NTU = load_layout("ntu25")
UNIFORM = Preprocessing(normalize="first_frame", sampling="uniform", frames=100)
FOUR = ("joint", "bone", "joint_motion", "bone_motion")
VARIED = Augmentation(rotation=(0.15, 0.3, 0.15), scale=0.1, shear=0.1, mirror=0.5, crop=0.8)
OTHERS = {
    "the same in four streams": replace(UNIFORM, streams=FOUR),
    "the same, augmented": replace(UNIFORM, augment=VARIED),
    "loop 300 (stgcn_80e_ntu60_xsub_keypoint_3d)": Preprocessing(normalize="ntu_published", sampling="loop"),
    "resample 32, four streams, augmented (stgcn_ui_prmd20)": Preprocessing(
        people=1, normalize="facing", streams=FOUR, sampling="resample", frames=32, augment=VARIED
    ),
}


def made_up(clips: int, layout: JointLayout = NTU):
    rng = np.random.default_rng(0)
    for i in range(clips):
        frames = int(np.clip(rng.gamma(6, 14), 30, 300))
        keypoint = rng.normal((0, 0, 3), 0.4, (2 if i % 5 == 0 else 1, frames, len(layout), 3)).astype(np.float32)
        attributes = {"setup": 1, "camera": 1, "subject": 1 + i % 40, "replication": 1, "action": 1 + i % 60}
        about = {"fps": 30.0, "attributes": attributes, "splits": {"xsub": "train"}}
        yield SkeletonClip(keypoint, layout, f"clip{i}", i % 60, **about)


def plain_view(clip: SkeletonClip, rng: np.random.Generator | None) -> np.ndarray:
    keypoint = np.zeros((2, clip.frames, 25, 3))
    keypoint[: clip.people] = clip.keypoint
    there = [t for t in range(clip.frames) if not np.all(np.isclose(keypoint[0, t], 0))]
    keypoint = keypoint[:, there]
    seen = (keypoint != 0).any(-1, keepdims=True)
    keypoint = (keypoint - keypoint[0, 0, NTU.spine[1]]) * seen
    for (start, end), target in ((NTU.spine, (0, 0, 1)), (NTU.shoulders, (1, 0, 0))):
        turn = shortest_rotation(keypoint[0, 0, end] - keypoint[0, 0, start], target)
        keypoint = np.einsum("mtvc,dc->mtvd", keypoint, turn)
    recorded = keypoint.shape[1]
    chosen = uniform_test_indices(recorded, 100, 1)[0] if rng is None else uniform_indices(recorded, 100, rng)
    return keypoint[:, chosen].astype(np.float32)[None]


def plain_epoch(folder: SkeletonDataset, batch_size: int, epoch: int) -> None:
    order = np.random.default_rng((0, epoch)).permutation(len(folder))
    for first in range(0, len(order), batch_size):
        clips = [(i, folder[i]) for i in order[first : first + batch_size]]
        torch.stack([torch.from_numpy(plain_view(clip, np.random.default_rng((0, epoch, i)))) for i, clip in clips])
        torch.tensor([clip.label for _, clip in clips])


def our_epoch(folder: SkeletonDataset, how: Preprocessing, batch_size: int, epoch: int) -> None:
    for _ in train_loader(ClipDataset(folder, np.arange(len(folder)), how, seed=0), batch_size, epoch):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        names = [f"action {i}" for i in range(60)]
        clips = made_up(options.clips)
        folder = write_dataset(
            Path(temporary) / "clips", clips, layout=NTU, class_names=names, units="m", source="made up"
        )
        views, *_ = next(iter(fixed_loader(ClipDataset(folder, np.arange(8), UNIFORM), 8)))
        np.testing.assert_allclose(views, [plain_view(folder[i], None) for i in range(8)], atol=1e-4)
        speeds = measure(folder, options.rounds, options.batch_size)
    print(f"{options.clips} clips of {folder.frames.mean():.0f} frames, median of {options.rounds} epochs, one core")
    for name in ("plain, uniform 100", "Kinegraph, uniform 100"):
        print(f"{name:24}{speeds[name]:7,.0f} clips/s  {speeds[name] / speeds['plain, uniform 100']:5.1f} x")
    for name in OTHERS:
        print(f"{'':24}{speeds[name]:7,.0f}   {name}")


def measure(folder: SkeletonDataset, rounds: int, batch_size: int) -> dict[str, float]:
    """Clips a second of each contestant."""
    contestants = {"plain, uniform 100": lambda epoch: plain_epoch(folder, batch_size, epoch)}
    for name, how in {"Kinegraph, uniform 100": UNIFORM, **OTHERS}.items():
        contestants[name] = lambda epoch, how=how: our_epoch(folder, how, batch_size, epoch)
    speeds = {name: [] for name in contestants}
    for epoch, (name, run) in itertools.product(range(rounds), contestants.items()):
        start = time.process_time()
        run(epoch)
        speeds[name].append(len(folder) / (time.process_time() - start))
    return {name: statistics.median(found) for name, found in speeds.items()}


if __name__ == "__main__":
    main()
