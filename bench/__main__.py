"""One table: Kinegraph beside a plain reading of the papers, MMAction2, TensorFlow and CoST-GCN, in one run.

    python bench [--quick] [--rows PATTERN] [--markdown]

The contestants are processes of their own and take turns, so that other programs' load falls on all of them. A cell is
the median, its quartiles in brackets, and how many times better than MMAction2 that is (than the plain path where
MMAction2 is not there). Nothing is asserted. The peers are installed by `make bench-peers`; without them the other
columns are printed. Progress goes to stderr.
"""

import argparse
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from machine import description
from measure import PEERS, Contest, Unavailable
from networks import logit_rows, memory_rows, time_rows
from programs import script_rows, start_rows, whole_rows
from streaming import stream_rows
from table import Row, as_markdown, as_text

ROOT = Path(__file__).parent.parent


def main() -> None:
    parser = argparse.ArgumentParser("bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small batches and few rounds, to see that all runs")
    parser.add_argument("--rows", default="", metavar="PATTERN", help="only rows whose work matches this expression")
    parser.add_argument("--markdown", action="store_true", help="the table for a page")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers", help="folder of the peers' environments")
    options = parser.parse_args()
    import torch

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was measured is printed then too

    def chosen(work: str) -> bool:
        return re.search(options.rows, work) is not None

    gpu = torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        seconds, rounds = (2, (2, 3)) if options.quick else (15, (3, 25))
        contest = Contest(options.peers, folder / "log", seconds, rounds)
        told = description(versions(contest))
        rows = []
        try:
            for row in measure(contest, folder, chosen, options.quick, gpu):
                rows.append(row)
        except KeyboardInterrupt:
            contest.remark("interrupted: the other rows are missing")
        finally:
            print(as_markdown(rows) if options.markdown else as_text(rows))
        contest.close()
    told += contest.remarks
    if missing := set(PEERS) - contest.pythons.keys():
        told.append(f"not installed: {', '.join(sorted(missing))}; `make bench-peers` brings them")
    told.append(f"measured in {contest.seconds_spent():.0f} s")
    print("\n" + "\n".join(f"* {line}" if options.markdown else line for line in told))


def measure(contest: Contest, folder: Path, chosen: Callable[[str], bool], quick: bool, gpu: bool) -> Iterator[Row]:
    """All rows. A kind of rows that cannot be measured leaves a remark."""
    for rows in (
        logit_rows(contest, folder, chosen),
        time_rows(contest, folder, chosen, quick, gpu),
        stream_rows(contest, folder, chosen, quick),
        memory_rows(contest, folder, chosen, quick, gpu),
        start_rows(contest, chosen, 2 if quick else 9),
        script_rows(contest, chosen, quick),
        whole_rows(contest, folder, chosen, quick, gpu),
    ):
        try:
            yield from rows
        except Unavailable as reason:
            contest.remark(str(reason))


def versions(contest: Contest) -> dict[str, str]:
    found = {}
    for name in ("ours", *PEERS):
        try:
            told = contest.worker(name, 1).ask("versions")
        except Unavailable:
            continue
        for package, version in told.items():
            key = f"{package} beside {name}" if found.get(package, version) != version else package
            found[key] = version
    return found


if __name__ == "__main__":
    sys.exit(main())
