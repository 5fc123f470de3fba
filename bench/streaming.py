"""Rows about streams: the cost of one more frame, by a stream and by asking again about the latest 100 frames.

CoST-GCN streams, too. MMAction2 and the plain path ask about a window again, and so does `Kinegraph window`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from jobs import STREAMED
from measure import Contest
from networks import PEERS, job, write_weights
from table import Row

PEOPLE = (1, 2, 10)


def stream_rows(contest: Contest, folder: Path, chosen: Callable[[str], bool], quick: bool) -> Iterator[Row]:
    """A new frame of so many people, each answered alone; one thread. The others are asked about a window again."""
    for network, joints in (("stgcn", 17), ("stgcn", 25), ("stgcnpp", 17), ("stgcnpp", 25)):
        for people in PEOPLE[: 2 if quick else None]:
            work = f"{network} stream, one more frame, V={joints}, people {people}, 1 thread"
            if not chosen(work):
                continue
            contest.say(work)
            window = job(folder, network, joints, clips=people, people=1, frames=100)
            write_weights(window)
            runs = {column: (name, window) for column, name in PEERS.items() if name != "tensorflow"}
            runs["Kinegraph window"] = "ours", window
            streamed = {"Kinegraph": ("ours", replace(window, streamed=True))}
            if network == "stgcn":
                streamed["CoST-GCN"] = "costgcn", replace(window, streamed=True)
            found = contest.times([*runs.values(), *streamed.values()])
            cells = {column: [1e3 * s for s in found[run]] for column, run in runs.items() if run in found}
            cells |= {it: [1e3 * s / STREAMED for s in found[run]] for it, run in streamed.items() if run in found}
            yield Row(work, "ms", cells)
    contest.close()
