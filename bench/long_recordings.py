"""Long recordings: networks that answer for every frame beside windows of a network of clips.

    python bench/long_recordings.py [--sets PATTERN] [--seeds 3] [--shared ../shared/data] [--out bench_long]

UCI gesture phases (15 frames a second, person c is tested) and karate kata (30 frames a second, athlete 5). The network
and the number of steps are the same for all; ten minutes a seed on one core. Runs that are there are not trained again.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parent.parent
FIGURES = ("frame_accuracy", "edit", "f1_10", "f1_25", "f1_50")
SETS = {  # file, every so manieth frame, frames a second then, subject of the test, units
    "gestures": ("gesture_phase", 2, 15, "c", "normalised"),
    "kata": ("karate_kata", 2, 30, "5", "m"),
}
NETWORK = {"class_path": "kinegraph.models.stgcn.STGCN",
           "init_args": {"widths": [32, 32, 64], "strides": [1, 1, 1], "edges": "learned"}}  # fmt: skip
COMMON = {
    "split": "split", "model": NETWORK, "batch_size": 16, "schedule": {"kind": "cosine"}, "validate": False,
    "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 4.0e-3, "weight_decay": 0.05}},
}  # fmt: skip
STEPS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*SETS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=Path("bench_long"))
    options = parser.parse_args()
    for name in options.sets:
        folder = options.out / name
        if not (folder / "long").is_dir():
            prepared(name, options.shared, folder)
        for seed in range(options.seeds):
            for kind in ("clips", "frames", "balanced"):
                measured(folder, kind, seed)
        print(table(name, folder, options.seeds), flush=True)


def kinegraph(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "kinegraph", *map(str, words)], check=True)


def prepared(name: str, shared: Path, folder: Path) -> None:
    """A dataset of recordings with segments, and one with a clip for each segment."""
    file, every, fps, tested, units = SETS[name]
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    with np.load(shared / "dev" / f"{file}.npz") as it:
        joints, parents = [str(joint) for joint in it["joint_names"]], it["parents"]
        bones = [[joint, joints[parent]] for joint, parent in zip(joints, parents, strict=True) if parent >= 0]
        layout = {"name": name, "joints": joints, "bones": bones, "centre": joints[int(np.argmin(parents))]}
        (folder / "layout.yaml").write_text(yaml.safe_dump(layout))
        ends = np.cumsum(it["length"])
        recordings = zip(it["subject"], np.split(it["x"] / it["scale"], ends[:-1]), strict=True)
        segments, classes = it["segments"], [str(label).lower() for label in it["class_names"]]
        with (
            open(folder / "labels.csv", "w", newline="") as clips,
            open(folder / "segments.csv", "w", newline="") as rows,
        ):
            clip, row = csv.writer(clips), csv.writer(rows)
            clip.writerow(["clip", "subject", "split"])
            row.writerow(["recording", "start_frame", "end_frame", "label"])
            for number, (subject, x) in enumerate(recordings):
                clip.writerow([f"r{number}", subject, "val" if str(subject) == tested else "train"])
                for _, start, end, label in segments[segments[:, 0] == number]:
                    row.writerow([f"r{number}", start // every, end // every, classes[label]])
                head = ",".join(f"{joint}_{axis}" for joint in joints for axis in "xyz")
                np.savetxt(folder / "raw" / f"r{number}.csv", x[::every].reshape(len(x[::every]), -1), "%.4f", ",",
                           header=head, comments="")  # fmt: skip
    about = ("--layout", folder / "layout.yaml", "--segments", folder / "segments.csv", "--fps", fps, "--units", units,
             "--labels-file", folder / "labels.csv", "--none", "ignore", "--up", "y")  # fmt: skip
    kinegraph("prepare", folder / "raw", folder / "long", *about)
    kinegraph("prepare", folder / "raw", folder / "cut", *about, "--cut-segments")


def recipe(folder: Path, kind: str) -> Path:
    """The configuration of a kind of training."""
    steps = {"people": 1, "normalize": "sized", "streams": ["joint", "joint_motion"]}
    if kind == "clips":
        about = {"preprocessing": steps | {"sampling": "window", "frames": 16}}
    else:
        about = {"task": "frames", "smoothing": 0.15, "preprocessing": steps | {"sampling": "window", "frames": 64}}
        about |= {"sample": "class_balanced"} if kind == "balanced" else {}
    dataset = folder / ("cut" if kind == "clips" else "long")
    path = folder / f"{kind}.yaml"
    path.write_text(yaml.safe_dump(COMMON | about | {"dataset": str(dataset), "epochs": epochs(dataset, kind)}))
    return path


def epochs(dataset: Path, kind: str) -> int:
    """So many that all kinds take about as many steps."""
    rows = (dataset / ("clips.csv" if kind == "clips" else "segments.csv")).read_text().splitlines()[1:]
    return max(1, round(STEPS * COMMON["batch_size"] / len(rows)))


def measured(folder: Path, kind: str, seed: int) -> None:
    place = folder / f"{kind}-{seed}"
    if (place / "test" / "figures.json").is_file():
        return
    config = recipe(folder, kind)
    kinegraph("train", config, "--seed", seed, "--work-dir", place, "--overwrite", "--no-report")
    weights = place / "checkpoints" / "last.safetensors"
    kinegraph("test", place / "config.yaml", weights, "--dataset", folder / "long", "--out", place / "test")


def table(name: str, folder: Path, seeds: int) -> str:
    lines = [f"| {name} | " + " | ".join(FIGURES) + " |", "|---" * (1 + len(FIGURES)) + "|"]
    for kind in ("clips", "frames", "balanced"):
        found = [json.loads((folder / f"{kind}-{seed}" / "test" / "figures.json").read_text()) for seed in range(seeds)]
        values = [[100 * it["figures"][figure] for it in found] for figure in FIGURES]
        lines.append(
            f"| {kind} | " + " | ".join(f"{np.mean(v):.1f} ({min(v):.1f}-{max(v):.1f})" for v in values) + " |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
