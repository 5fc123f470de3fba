"""Is a training here the training there? Kinegraph beside MMAction2 1.2.0's own transforms, network, head and schedule.

CTR-GCN and DG-STGCN are of PYSKL, which is in no package index: there the other side is the plain form of the network
(contestants/plain_*.py) with the published first weights.

    PEER=.venv-peers/mmaction2/bin/python          # bash bench/peers.sh mmaction2; $PEER -m pip install -e .
    $PEER bench/parity.py steps ui_prmd_kinect.npz --out DIR      the same batches, step by step
    $PEER bench/parity.py runs ui_prmd_kinect.npz --out DIR       three seeds each, each with its own random numbers
    $PEER bench/parity.py table --out DIR                         Markdown, and curves.svg

Data: UI-PRMD-20 (20 classes, 1000 clips of odd subjects to train on, 1000 of even ones to test), with Kinect v2's 25
joints so that MMAction2 has a graph for it: what the recording lacks (hand tips, thumbs) stands where the hand is.
Small networks and few epochs: it is about equality, not about accuracy. One result is one JSON file in DIR; a run that
is there already is not repeated.
"""

import argparse
import io
import json
import os
import pickle
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from published_training import Published, batches, build, train_published
from torch import nn

from kinegraph import cli
from kinegraph.data.preprocessing import Preprocessing, prepare_clip
from kinegraph.models.published import load_published
from kinegraph.report.runs import read_course
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.layout import load_layout
from kinegraph.training.optim import PublishedSGD, Schedule, parameter_groups

ROOT = Path(__file__).parent.parent
ARM = ("upper_arm", "forearm", "hand", "hand")
LEG = ("upper_leg", "lower_leg", "foot", "toes")
JOINTS = (  # of UI-PRMD, in the order of Kinect v2
    *("waist", "spine", "neck", "head"),
    *(f"{side}_{part}" for part_of in (ARM, LEG) for side in "lr" for part in part_of),
    *("chest", "l_hand", "l_hand", "r_hand", "r_hand"),
)
OURS = {  # class, its options and the partition
    "stgcn": ("kinegraph.models.stgcn.STGCN", {"init": "mmaction1"}, "spatial"),
    "stgcnpp": ("kinegraph.models.stgcnpp.STGCNPP", {"init": "mmaction1"}, "inward_outward"),
    "ctrgcn": ("kinegraph.models.ctrgcn.CTRGCN", {}, "inward_outward"),
    "dgstgcn": ("kinegraph.models.dgstgcn.DGSTGCN", {}, "inward_outward"),
}
TITLES = {"stgcn": "ST-GCN", "stgcnpp": "ST-GCN++", "ctrgcn": "CTR-GCN", "dgstgcn": "DG-STGCN"}


@dataclass(frozen=True)
class Recipe:
    """MMAction2 1.x's, smaller: SGD with Nesterov momentum and weight decay, cosine to zero, frames over the clip."""

    widths: tuple[int, ...] = (16, 16, 32)
    frames: int = 16
    epochs: int = 6
    validate_every: int = 2
    batch_size: int = 16
    lr: float = 0.1
    weight_decay: float = 5e-4


# ---- data ------------------------------------------------------------------------------------------------------------


def read_clips(path: Path) -> list[dict]:
    """Annotations as PYSKL has them: keypoint (1, T, 25, 3) in metres, label, and the part of the split."""
    with np.load(path) as file:
        names = list(file["joint_names"])
        metres = file["keypoint_mm"][:, [names.index(joint) for joint in JOINTS]].astype(np.float32) / 1000
        ends = np.cumsum(file["length"])
        facts = zip(ends - file["length"], ends, file["label"], file["correct"], file["subject"], strict=True)
        return [
            {
                "frame_dir": f"clip{i:04}",
                "label": int(2 * label + (not correct)),
                "keypoint": metres[None, start:end],
                "total_frames": int(end - start),
                "part": "xsub_train" if subject % 2 else "xsub_val",
            }
            for i, (start, end, label, correct, subject) in enumerate(facts)
        ]


def part_of(clips: list[dict], part: str) -> list[dict]:
    return [clip for clip in clips if clip["part"] == part]


def prepare_dataset(clips: list[dict], folder: Path) -> Path:
    """The clips as PYSKL's pickle, and that prepared by `kinegraph prepare`."""
    dataset = folder / "dataset"
    if not dataset.exists():
        split = {part: [clip["frame_dir"] for clip in part_of(clips, part)] for part in ("xsub_train", "xsub_val")}
        annotations = [{key: value for key, value in clip.items() if key != "part"} for clip in clips]
        (folder / "names.txt").write_text("".join(f"class {i}\n" for i in range(20)))
        (folder / "ui_prmd25.pkl").write_bytes(pickle.dumps({"split": split, "annotations": annotations}))
        command = ["prepare", folder / "ui_prmd25.pkl", dataset, "--class-names", folder / "names.txt"]
        kinegraph(*command, "--layout", "ntu25_star", "--units", "m", "--up", "y", "--bodies", "rows")
    return dataset


def kinegraph(*words: object) -> None:
    """A command, in this process: what it imports is imported once."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as error:
        code = cli.main([str(word) for word in words])
    if code:
        raise SystemExit(error.getvalue())


# ---- the same batches, step by step ----------------------------------------------------------------------------------


def compare_steps(name: str, clips: list[dict], recipe: Recipe, steps: int, dtype: torch.dtype) -> dict:
    """Both sides train on the same clips in the same order, from the same weights; frames as in a test.

    Each prepares every clip, then both train on the published input: its last bit is another one here, and training
    makes such a difference larger. Returns the largest differences: of inputs, losses relative to the loss, weights.
    """
    torch.manual_seed(0)
    theirs = build(name, recipe.widths).to(dtype)
    ours = load_published(theirs.state_dict()).to(dtype)
    ours.load_state_dict(load_published_state(theirs, ours))
    settings = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    their_optimizer = Published.optimizer(theirs, **settings)
    our_optimizer = PublishedSGD(parameter_groups(ours), **settings)
    schedule = Schedule("cosine")
    clips = part_of(clips, "xsub_train")
    order = np.random.default_rng(0).permutation(len(clips))
    worst = {"input": 0.0, "loss": 0.0, "first_loss": 0.0}
    for step, batch in enumerate(batches([clips[i] for i in order] * 2, recipe.batch_size)[:steps]):
        their_x, labels = Published.load(batch, recipe.frames, test=True)
        our_x = torch.from_numpy(np.stack([our_clip(clip, recipe.frames) for clip in batch]))
        worst["input"] = max(worst["input"], (our_x - their_x).abs().max().item())
        rate = recipe.lr * 0.5 * (1 + np.cos(np.pi * step / steps))  # torch's CosineAnnealingLR in closed form
        their_loss = train_step(theirs, their_optimizer, their_x.to(dtype), labels, rate)
        our_rate = recipe.lr * schedule.factor(step, steps, recipe.epochs)
        our_loss = train_step(ours, our_optimizer, their_x.to(dtype), labels, our_rate)
        difference = abs(our_loss - their_loss) / their_loss
        worst["loss"] = max(worst["loss"], difference)
        worst["first_loss"] = worst["first_loss"] or difference
    expected = load_published_state(theirs, ours)
    pairs = [(ours.state_dict()[key], it) for key, it in expected.items() if it.is_floating_point()]
    worst["weights"] = max((a - b).abs().max().item() for a, b in pairs)
    return {"network": name, "steps": steps, "dtype": str(dtype).removeprefix("torch."), "last_loss": our_loss} | worst


def load_published_state(theirs: nn.Module, ours: nn.Module) -> dict[str, torch.Tensor]:
    """Their weights under our names, in their precision: `load_published` always makes float32."""
    from kinegraph.models.published import identify, to_ours

    state = theirs.state_dict()
    return to_ours(state, *identify(state))


def our_clip(clip: dict, frames: int) -> np.ndarray:
    """One clip (M, T, V, C) as Kinegraph prepares it."""
    steps = Preprocessing(people=2, normalize="first_frame", streams=("joint",), sampling="uniform", frames=frames)
    recorded = SkeletonClip(keypoint=clip["keypoint"].copy(), layout=load_layout("ntu25_star"), name=clip["frame_dir"])
    return prepare_clip(recorded, steps)[0]


def train_step(network: nn.Module, optimizer: torch.optim.Optimizer, x, labels, rate: float) -> float:
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = nn.functional.cross_entropy(network.train()(x), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# ---- trainings with random numbers of their own ----------------------------------------------------------------------


def train_ours(name: str, dataset: Path, seed: int, recipe: Recipe, folder: Path) -> dict:
    """`kinegraph train` with the recipe's settings."""
    run = folder / f"{name}_{seed}"
    kind, settings, partition = OURS[name]
    model = {"class_path": kind, "init_args": {"widths": list(recipe.widths)} | settings}
    optimizer = {"class_path": "torch.optim.SGD"}
    optimizer["init_args"] = {"lr": recipe.lr, "momentum": 0.9, "nesterov": True, "weight_decay": recipe.weight_decay}
    steps = {"people": 2, "normalize": "first_frame", "streams": ["joint"], "sampling": "uniform"}
    config = {"dataset": str(dataset), "split": "xsub", "model": model, "partition": partition, "optimizer": optimizer}
    config |= {"preprocessing": steps | {"frames": recipe.frames}, "schedule": {"kind": "cosine"}, "log_every": 1}
    config |= {"epochs": recipe.epochs, "batch_size": recipe.batch_size, "seed": seed, "report": False}
    config |= {"validate_every": recipe.validate_every}
    (folder / f"{name}_{seed}.yaml").write_text(json.dumps(config))
    kinegraph("train", folder / f"{name}_{seed}.yaml", "--work-dir", run, "--overwrite", "--accelerator", "cpu")
    curve = read_course(run / "log.jsonl").curve
    return {"loss": curve["train", "loss"], "top1": curve["val", "top1"]}


def run_all(names: list[str], clips: list[dict], dataset: Path, seeds: int, recipe: Recipe, out: Path) -> None:
    (runs := out / "runs").mkdir(exist_ok=True)
    for seed in range(seeds):
        for name in names:
            for side in ("kinegraph", "published"):
                result = out / f"{name}_{side}_{seed}.json"
                if result.exists():
                    continue
                if side == "kinegraph":
                    curve = train_ours(name, dataset, seed, recipe, runs)
                else:
                    parts = [part_of(clips, part) for part in ("xsub_train", "xsub_val")]
                    curve = train_published(name, *parts, seed, recipe)
                about = {"network": name, "side": side, "seed": seed, "recipe": asdict(recipe)}
                result.write_text(json.dumps(about | curve))
                print(result.name, f"top-1 {curve['top1'][-1][1]:.3f}", flush=True)


# ---- what came out ---------------------------------------------------------------------------------------------------


def read_results(out: Path, name: str) -> dict[str, list[dict]]:
    return {
        side: [json.loads(file.read_text()) for file in sorted(out.glob(f"{name}_{side}_*.json"))]
        for side in ("kinegraph", "published")
    }


def table(out: Path) -> str:
    """Two tables in Markdown."""
    lines = ["| network | steps | precision | inputs | first loss | all losses | weights |", "|---|" + 6 * "---|"]
    for file in sorted(out.glob("steps_*.json")):
        it = json.loads(file.read_text())
        figures = (f"{it[key]:.0e}" for key in ("input", "first_loss", "loss", "weights"))
        lines.append(f"| {TITLES[it['network']]} | {it['steps']} | {it['dtype']} | {' | '.join(figures)} |")
    lines += ["", "| network | published, top-1 | Kinegraph, top-1 | difference | its standard error | last loss |"]
    lines += ["|---|" + 5 * "---|"]
    for name, title in TITLES.items():
        found = read_results(out, name)
        last = {side: [100 * run["top1"][-1][1] for run in runs] for side, runs in found.items()}
        if min(map(len, last.values())) < 2:
            continue
        loss = {side: mean(run["loss"][-1][1] for run in runs) for side, runs in found.items()}
        ours, theirs = last["kinegraph"], last["published"]
        noise = (stdev(ours) ** 2 / len(ours) + stdev(theirs) ** 2 / len(theirs)) ** 0.5
        seeds = [f"{mean(side):.1f} ({', '.join(f'{top1:.1f}' for top1 in side)})" for side in (theirs, ours)]
        lines.append(
            f"| {title} | {' | '.join(seeds)} | {mean(ours) - mean(theirs):+.1f} | {noise:.1f} | "
            f"{loss['published']:.3f}, {loss['kinegraph']:.3f} |"
        )
    return "\n".join(lines)


def draw(out: Path, picture: Path) -> None:
    """Loss and top-1 of all runs over epochs: published dashed, ours drawn through."""
    from matplotlib.figure import Figure

    names = [name for name in TITLES if all(read_results(out, name).values())]
    figure = Figure(figsize=(9, 2.6 * len(names)), layout="constrained")
    rows = figure.subplots(len(names), 2, squeeze=False)
    for name, row in zip(names, rows, strict=True):
        for side, runs in read_results(out, name).items():
            style = {"kinegraph": ("#2a66a8", "-", "Kinegraph"), "published": ("#c05a1c", "--", "published")}[side]
            for i, run in enumerate(runs):
                for axes, key, scale in zip(row, ("loss", "top1"), (1, 100), strict=True):
                    epochs, values = zip(*run[key], strict=True)
                    label = style[2] if i == 0 else None
                    axes.plot(epochs, [scale * it for it in values], style[1], color=style[0], lw=1, label=label)
        row[0].set_title(f"{TITLES[name]}: training loss", fontsize=9)
        row[1].set_title(f"{TITLES[name]}: top-1 of the test part, %", fontsize=9)
        row[0].legend(fontsize=8, frameon=False)
    figure.savefig(picture, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        "parity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("steps", "runs", "table"))
    parser.add_argument("data", type=Path, nargs="?", help="ui_prmd_kinect.npz")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", choices=OURS, default=list(OURS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe, out = Recipe(), options.out
    out.mkdir(parents=True, exist_ok=True)
    if options.what == "table":
        print(table(out))
        draw(out, out / "curves.svg")
        return
    clips = read_clips(options.data)
    if options.what == "runs":
        run_all(options.networks, clips, prepare_dataset(clips, out), options.seeds, recipe, out)
        return
    for name in options.networks:
        for dtype in (torch.float64, torch.float32):
            found = compare_steps(name, clips, recipe, options.steps, dtype)
            (out / f"steps_{name}_{found['dtype']}.json").write_text(json.dumps(found))
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
