"""What a person sees while a network trains: a bar that moves, one line an epoch that stays."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

REFRESH = 0.5  # seconds between looks at the running sums: each look waits for the GPU


class TrainingDisplay:
    """Bar and epoch lines on stderr; the bar only on a terminal.

    monitor: the figure that `best` is of.
    """

    def __init__(self, epochs: int, batches: int, monitor: str = "top1", shown: bool = True):
        self.epochs, self.batches, self.monitor = epochs, batches, monitor
        self.console = Console(stderr=True, quiet=not shown, highlight=False, soft_wrap=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total}  {task.fields[state]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not (shown and sys.stderr.isatty()),
        )
        self.task = self.bar.add_task("epoch 1", total=batches, state="")
        self.began = time.perf_counter()
        self.batches_here = 0  # done since then
        self.begin_epoch(1)

    def __enter__(self):
        self.bar.start()
        self.began = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.bar.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(line, markup=False)

    def begin_epoch(self, epoch: int) -> None:
        """Speed and waiting are those of the training part of an epoch, since here."""
        self.looked = self.epoch_began = self.stepped = time.perf_counter()
        self.clips_at_look = self.clips = 0
        self.waited = 0.0
        self.bar.reset(self.task, description=f"epoch {epoch}", state="")

    def step(self, batch: int, totals: list[float], fresh: Tensor, clips: int, waited: float) -> None:
        """After each step: moves the bar; loss, top-1 and clips a second now and then. waited: seconds for data."""
        self.clips += clips
        self.waited += waited
        self.batches_here += 1
        self.bar.update(self.task, completed=batch)
        now = self.stepped = time.perf_counter()
        if now - self.looked >= REFRESH and not self.bar.disable:
            loss, hits, _, seen = (old + new for old, new in zip(totals, fresh.tolist(), strict=True))
            speed = (self.clips - self.clips_at_look) / (now - self.looked)
            self.bar.update(
                self.task, state=f"loss {loss / seen:.4f}  train top-1 {hits / seen:.1%}  {speed:,.0f} clips/s"
            )
            self.looked, self.clips_at_look = now, self.clips

    def epoch(self, epoch, loss, top1, rate, figures: dict | None, best: float, best_epoch: int) -> None:
        """After each epoch: the line that stays."""
        line = f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}"
        line += f"  loss {loss:.4f}  lr {rate:.2e}  train top-1 {top1:6.1%}"
        if figures is not None:
            line += f"  val top-1 {figures['top1']:6.1%}"
            if self.monitor == "mean_class_accuracy":
                line += f"  mean class {figures[self.monitor]:6.1%}"
            line += f"  best {best:6.1%} (epoch {best_epoch})"
        passed = time.perf_counter() - self.began
        training = max(self.stepped - self.epoch_began, 1e-9)
        left = passed / max(self.batches_here, 1) * self.batches * (self.epochs - epoch)
        line += f"  {self.clips / training:,.0f} clips/s  {self.waited / training:.0%} waiting for data  "
        self.say(line + (f"{_clock(left)} left" if epoch < self.epochs else f"took {_clock(passed)}"))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
