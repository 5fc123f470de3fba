"""How far the people of a video are estimated: a bar on a terminal's stderr, elsewhere a line now and then."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from kinegraph.data.pose.sightings import Step, Watch

SECONDS_A_LINE = 10


@contextmanager
def watching() -> "Iterator[Watch]":
    """What is called after each frame. It shows the name of the video, its frames, and frames a second."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[said]}", markup=False),
        TimeRemainingColumn(),
    )  # fmt: skip
    bar, tasks = Progress(*columns, console=console, transient=True), dict[str, TaskID]()

    def shown(step: "Step") -> None:
        bar.start()
        if step.name not in tasks:
            for done in tasks.values():
                bar.update(done, visible=False)
            tasks[step.name] = bar.add_task(step.name, total=step.total, said="")
        bar.update(tasks[step.name], completed=step.frame, said=_said(step))

    try:
        yield shown
    finally:
        bar.stop()


def _lines() -> "Watch":
    last = time.monotonic()

    def shown(step: "Step") -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_A_LINE:
            last = time.monotonic()
            print(f"{step.name}: {_said(step)}", file=sys.stderr, flush=True)

    return shown


def _said(step: "Step") -> str:
    of = f" of {step.total:,}" if step.total and step.total >= step.frame else ""
    share = f", pose {step.estimating / step.seconds:.0%} of the time" if step.seconds else ""
    return f"{step.frame:,}{of} frames, {step.frame / max(step.seconds, 1e-9):.1f} frames/s{share}"
