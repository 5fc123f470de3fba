"""Rows about networks: equal logits, time of inference and training, peak memory, on the CPU and on a GPU."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from contestants.plain import random_weights
from jobs import Job
from measure import Contest, Run
from table import Row

from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout

LAYOUTS = {17: "coco17", 25: "ntu25"}
SHARES = (0, 50, 80, 100)
PEERS = {"plain path": "plain", "MMAction2": "mmaction2", "TensorFlow": "tensorflow"}
NEWER = ("dgstgcn", "ctrgcn", "aagcn", "agcn1", "msg3d", "protogcn")  # agcn1: 2s-AGCN of MMAction2 1.x
Chosen = Callable[[str], bool]


@dataclass(frozen=True)
class Plan:
    """A row to be measured: the run that fills each column."""

    work: str
    runs: dict[str, Run]


def write_weights(work: Job) -> None:
    """The file of weights that all contestants share, if it is not there yet."""
    if not Path(work.weights).exists():
        np.savez(work.weights, **random_weights(work.network, adjacency(load_layout(LAYOUTS[work.joints]), "spatial")))


def job(folder: Path, network: str = "stgcn", joints: int = 17, **about) -> Job:
    return Job(str(folder / f"{network}-{joints}.npz"), network=network, joints=joints, **about)


def runs(work: Job) -> dict[str, Run]:
    """Everybody on the same work. What peers do does not depend on who is absent, so they do it once for all shares."""
    there = {column: (name, replace(work, alone=0)) for column, name in PEERS.items()}
    if work.device == "cuda" or work.network != "stgcn":
        del there["TensorFlow"]
    if work.network not in ("stgcn", "stgcnpp", "aagcn", "agcn1"):
        del there["MMAction2"]
    return there | {"Kinegraph": ("ours", work), "Kinegraph bf16": ("ours", replace(work, precision="bf16"))}


def group(name: str, work: Job, shares: tuple[int, ...]) -> list[Plan]:
    """The same work at several shares of one-person clips."""
    size = f"N={work.clips} T={work.frames} V={work.joints}"
    where = "GPU" if work.device == "cuda" else f"{work.threads} thread{'s' * (work.threads > 1)}"
    plans = []
    for share in shares:
        alone = round(work.clips * share / 100)
        label = f"{name}, {size}, {where}, {alone}/{work.clips} one person"
        plans.append(Plan(label, runs(replace(work, alone=alone))))
    return plans


def groups(folder: Path, quick: bool, gpu: bool) -> Iterator[list[Plan]]:
    """Plans whose runs take turns. Two threads first: their processes end before those of one thread start."""
    small = 4 if quick else 1
    short = job(folder, clips=16 // small)
    long = job(folder, joints=25, clips=8 // small, frames=300)
    steps = {"inference": False, "training step": True}
    for name, training in steps.items():
        plans = group(name, replace(short, training=training, threads=2), SHARES)
        yield plans + variants(plans[2])
        yield group(name, replace(long, training=training, threads=2), (80,) if training else (0, 80))
        for network in ("stgcnpp", "agcn"):
            work = job(folder, network, clips=short.clips // 2, training=training, threads=2)
            yield group(f"{network} {name}", work, (80,))
    for name, training in steps.items():
        yield group(name, replace(short, training=training), (80,))
        for network in ("stgcn", "stgcnpp", "agcn", *NEWER):
            work = job(folder, network, joints=25, clips=max(1, short.clips // 8), training=training)
            yield group(f"{network} {name}", work, (0,))
    yield group("latency of one clip, 1 body", replace(short, clips=1, people=1), (0,))
    yield group("latency of one clip, 2 bodies", replace(short, clips=1), (100,))
    if gpu:
        short, long = (replace(work, clips=128 // small, device="cuda") for work in (short, long))
        for work in (short, long):
            plans = group("training step", replace(work, training=True), (0, 80))
            yield plans + variants(plans[1])
        yield group("inference", short, (0, 80))


def variants(plan: Plan) -> list[Plan]:
    """The same work with peers under bf16 autocast; and for inference our network without the inference engine."""
    peers = {column: plan.runs[column] for column in ("plain path", "MMAction2")}
    ours = {column: plan.runs[column] for column in ("Kinegraph", "Kinegraph bf16")}
    cast = {column: (name, replace(work, precision="bf16")) for column, (name, work) in peers.items()}
    found = [Plan(f"{plan.work}, all in bf16", cast | {"Kinegraph bf16": ours["Kinegraph bf16"]})]
    if not ours["Kinegraph"][1].training:
        bare = {column: (name, replace(work, optimized=False)) for column, (name, work) in ours.items()}
        found.append(Plan(f"{plan.work}, not optimized", peers | bare))
    return found


def time_rows(contest: Contest, folder: Path, chosen: Chosen, quick: bool, gpu: bool) -> Iterator[Row]:
    threads = None
    for plans in groups(folder, quick, gpu):
        plans = [plan for plan in plans if chosen(plan.work)]
        if not plans:
            continue
        wanted = dict.fromkeys(run for plan in plans for run in plan.runs.values())
        now = {job.threads for _, job in wanted}
        if now != threads:
            contest.close()
            threads = now
        contest.say(f"{plans[0].work}{' and others' * (len(plans) > 1)}: {len(wanted)} runs take turns")
        for _, work in wanted:
            write_weights(work)
        found = contest.times(wanted)
        for plan in plans:
            cells = {column: [1e3 * s for s in found[run]] for column, run in plan.runs.items() if run in found}
            yield Row(plan.work, "ms", cells)
    contest.close()


def logit_rows(contest: Contest, folder: Path, chosen: Chosen) -> Iterator[Row]:
    """How far each contestant's logits are from the plain path's in fp64, on the same weights and clips."""
    older = (("stgcn", 17), ("stgcn", 25), ("stgcnpp", 17), ("agcn", 17))
    for network, joints in (*older, *((network, 25) for network in NEWER)):
        work = f"largest difference of {network} logits from fp64, V={joints}, over the largest logit"
        if not chosen(work):
            continue
        contest.say(work)
        told = job(folder, network, joints, clips=3, alone=2, frames=40)
        write_weights(told)
        exact = np.array(contest.ask(("plain", replace(told, precision="fp64")), "result"))
        cells = {}
        for column, (name, its) in runs(told).items():
            run = name, replace(its, alone=told.alone)
            logits = contest.attempt(run, lambda run=run: contest.ask(run, "result"))
            if logits is not None:
                cells[column] = [float(np.abs(np.array(logits) - exact).max() / np.abs(exact).max())]
        yield Row(work, "", cells, compared=False)


def memory_rows(contest: Contest, folder: Path, chosen: Chosen, quick: bool, gpu: bool) -> Iterator[Row]:
    """Peak memory, every figure from a fresh process."""
    clips = 4 if quick else 16
    works = [job(folder, clips=clips, training=training, threads=2) for training in (False, True)]
    if gpu:
        works.append(job(folder, clips=128, training=True, device="cuda"))
    measured = {}
    for work in works:
        name = f"peak memory of {'training' if work.training else 'inference'}"
        for plan in group(name, work, (0, 80)):
            if not chosen(plan.work):
                continue
            contest.say(plan.work)
            write_weights(work)
            for run in plan.runs.values():
                if run not in measured:
                    measured[run] = contest.attempt(run, lambda run=run: contest.ask_fresh(run, "memory"))
            cells = {column: [measured[run]] for column, run in plan.runs.items() if measured[run] is not None}
            yield Row(plan.work, "MB", cells)
