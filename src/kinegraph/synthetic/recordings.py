"""Synthetic recordings in NTU RGB+D's raw format, for people who have no data yet.

A kinematic model performs; nobody was recorded. What a network reaches on them says nothing about people.
The folder carries a README.txt and a marker file; every later step asks `data.formats.ntu.is_synthetic`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from kinegraph import __version__
from kinegraph.atomic import atomic_folder
from kinegraph.data.formats.ntu import MARKER, TRAIN_SUBJECTS_60
from kinegraph.data.pool import cores, in_order
from kinegraph.data.reading.clips.published_names import missing_skeletons, ntu_class_names
from kinegraph.synthetic.actions import ACTIONS, perform
from kinegraph.synthetic.human import joints_of, random_body
from kinegraph.synthetic.moves import random_style
from kinegraph.synthetic.sensor import Recording, as_skeleton_file, record

SOURCE = "synthetic"  # what a dataset made of these recordings names as its source
FEWEST, MOST = 50, 56_880
SETUPS, CAMERAS, SUBJECTS, REPLICATIONS = 17, 3, 40, 2

README = """\
These recordings are SYNTHETIC. Nobody was recorded.

A kinematic model of a human moved through hand-written actions, and the files were written in the text format of
NTU RGB+D (.skeleton) with names of the same form, so that software for that data set can be tried without it.
They are no part of NTU RGB+D. Setup, camera, subject and action in the names are those of the model.
What a network reaches on them proves nothing about its accuracy on people: do not report it as such.

Written by kinegraph {version}, seed {seed}: {clips} recordings of {actions} actions by {subjects} subjects.
Actions: {names}.
"""


@dataclass(frozen=True, order=True)
class ClipName:
    setup: int
    camera: int
    subject: int
    replication: int
    action: int

    def __str__(self) -> str:
        return f"S{self.setup:03d}C{self.camera:03d}P{self.subject:03d}R{self.replication:03d}A{self.action:03d}"


@dataclass(frozen=True)
class Synthesis:
    """What was written: clips, of which actions, by which subjects, and how much."""

    clips: int
    actions: tuple[int, ...]
    subjects: tuple[int, ...]
    bytes: int


def write_recordings(
    out: str | Path,
    *,
    clips: int = 600,
    seed: int = 0,
    actions: Sequence[int] | None = None,
    subjects: Sequence[int] | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    on_written: Callable[[int], None] | None = None,
) -> Synthesis:
    """Write a folder of synthetic `.skeleton` files, whole or not at all.

    clips: 50 to 56,880. actions: NTU's action numbers, by default all there are; classes are equal in number to within
    one. subjects: 1 to 40, by default all. workers: processes, None is one a core; the files do not depend on it.
    overwrite: replace an older synthetic folder; a folder of anything else is never replaced.
    on_written: called with the number of clips just written.
    The same seed gives the same bytes, and a larger number of clips holds the files of a smaller one.
    """
    out = Path(out)
    if seed < 0:
        raise ValueError(f"seed {seed} is negative; give 0 or more")
    if workers is not None and workers < 1:
        raise ValueError(f"{workers} workers cannot write anything; give 1 or more")
    names = plan_names(clips, actions, subjects)
    _check_place(out, overwrite)
    written = 0
    with atomic_folder(out, partial(_check_place, overwrite=overwrite)) as folder:
        with closing(in_order(partial(_write, folder=folder, seed=seed), names, workers or cores())) as sizes:
            for size in sizes:
                written += size
                if on_written:
                    on_written(1)
        summary = Synthesis(clips, _used(names, "action"), _used(names, "subject"), written)
        _describe(folder, summary, seed)
    return summary


def plan_names(
    clips: int, actions: Sequence[int] | None = None, subjects: Sequence[int] | None = None
) -> list[ClipName]:
    """Distinct names, the actions in turn; each action goes around subjects of both sides of xsub and all cameras."""
    if not FEWEST <= clips <= MOST:
        raise ValueError(f"{clips} clips asked for; give {FEWEST} to {MOST:,}, as many as NTU RGB+D 60 has")
    actions = _chosen("action", actions, tuple(ACTIONS), f"the model performs {', '.join(map(str, ACTIONS))}")
    subjects = _chosen("subject", subjects, range(1, SUBJECTS + 1), f"they are numbered 1 to {SUBJECTS}")
    sequences = [_names_of(action, place, subjects) for place, action in enumerate(actions)]
    names = []
    for i in range(clips):
        name = next(sequences[i % len(sequences)], None)
        if name is None:
            raise ValueError(
                f"{clips} clips asked for, but {len(actions)} actions and {len(subjects)} subjects "
                f"give only {i} different names of equal classes; choose more actions or subjects"
            )
        names.append(name)
    return names


def recording(name: ClipName, seed: int) -> tuple[Recording, np.random.Generator]:
    """One clip, and the generator to go on with. Three cameras of a setup see the same performance, as in NTU RGB+D."""
    subject = np.random.default_rng([seed, 0, name.subject])
    act = np.random.default_rng([seed, 1, name.setup, name.subject, name.replication, name.action])
    sensor = np.random.default_rng([seed, 2, *astuple(name)])
    bodies, styles = [random_body(subject)], [random_style(subject)]
    if ACTIONS[name.action].people == 2:
        bodies.append(random_body(act))
        styles.append(random_style(act))
    motions = perform(name.action, bodies, styles, act)
    turn = np.pi / 4 if name.replication == 1 else -np.pi / 4  # once towards camera 2, once towards camera 3
    people = [joints_of(body, motion) for body, motion in zip(bodies, motions, strict=True)]
    return record([_turned(person, turn) for person in people], name.setup, name.camera, sensor), sensor


def _turned(joints: np.ndarray, angle: float) -> np.ndarray:
    """Everybody turns to the left around the middle of the room."""
    c, s = np.cos(angle), np.sin(angle)
    return joints @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T


def _names_of(action: int, place: int, subjects: Sequence[int]) -> Iterator[ClipName]:
    """All names of an action: round after round over the subjects, who take both sides of xsub in turn."""
    train = [s for s in subjects if s in TRAIN_SUBJECTS_60]
    val = [s for s in subjects if s not in TRAIN_SUBJECTS_60]
    order = [s for pair in zip(train, val, strict=False) for s in pair]
    order += train[len(val) :] + val[len(train) :]
    variants = SETUPS * REPLICATIONS
    for turn in range(CAMERAS * variants):
        for i in range(len(order)):
            # A number that runs through all cameras, then setups and replications, from another start each subject.
            variant = (7 * i + 5 * place + turn // CAMERAS) % variants
            name = ClipName(
                setup=variant % SETUPS + 1,
                camera=(i + place + turn) % CAMERAS + 1,
                subject=order[(i + 6 * place) % len(order)],
                replication=variant // SETUPS + 1,
                action=action,
            )
            if str(name) not in missing_skeletons():
                yield name


def _chosen(what: str, given: Sequence[int] | None, known: Sequence[int], hint: str) -> tuple[int, ...]:
    if given is None:
        return tuple(known)
    if not given:
        raise ValueError(f"no {what} chosen; {hint}")
    if unknown := [number for number in given if number not in known]:
        raise ValueError(f"there is no {what} {unknown[0]}; {hint}")
    return tuple(sorted(set(given)))


def _check_place(out: Path, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; give the name of a folder")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not (out / MARKER).is_file():
        raise ValueError(f"{out} is not empty and holds no synthetic recordings; choose another place")
    if not overwrite:
        raise ValueError(f"{out} holds synthetic recordings; remove it, choose another place or give --overwrite")


def _used(names: list[ClipName], field: str) -> tuple[int, ...]:
    return tuple(sorted({getattr(name, field) for name in names}))


# ---- writing ---------------------------------------------------------------------------------------------------------


def _write(name: ClipName, folder: Path, seed: int) -> int:
    """Write one file. Returns its size."""
    return (folder / f"{name}.skeleton").write_bytes(as_skeleton_file(*recording(name, seed)))


def _describe(folder: Path, summary: Synthesis, seed: int) -> None:
    titles = ntu_class_names(60)
    facts = {
        "source": SOURCE,
        "warning": "made by a kinematic model; proves nothing about accuracy on people",
        "written_by": f"kinegraph {__version__}",
        "seed": seed,
        "clips": summary.clips,
        "actions": {f"A{action:03d}": titles[action - 1] for action in summary.actions},
        "subjects": list(summary.subjects),
    }
    (folder / MARKER).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    text = README.format(
        version=__version__,
        seed=seed,
        clips=summary.clips,
        actions=len(summary.actions),
        subjects=len(summary.subjects),
        names=", ".join(f"A{action:03d} {titles[action - 1]}" for action in summary.actions),
    )
    (folder / "README.txt").write_text(text, encoding="utf-8")
