"""What a person sees while a network trains: a bar that moves and one line an epoch that stays."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

REFRESH = 0.5  # seconds between looks at the running sums: each look waits for the GPU


class TrainingDisplay:
    """Bar and epoch lines on stderr; the bar only on a terminal."""

    def __init__(self, epochs: int, batches: int, shown: bool = True):
        self.epochs, self.batches = epochs, batches
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
        self.looked = self.epoch_began = self.began = time.perf_counter()
        self.clips_at_look = self.clips = self.epochs_here = 0

    def __enter__(self):
        self.bar.start()
        self.looked = self.epoch_began = self.began = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.bar.stop()

    def step(self, batch: int, totals: list[float], fresh: Tensor, clips: int) -> None:
        """After each step: moves the bar; loss, top-1 and clips a second now and then."""
        self.clips += clips
        self.bar.update(self.task, completed=batch)
        now = time.perf_counter()
        if now - self.looked >= REFRESH and not self.bar.disable:
            loss, hits, _, seen = (old + new for old, new in zip(totals, fresh.tolist(), strict=True))
            speed = (self.clips - self.clips_at_look) / (now - self.looked)
            self.bar.update(self.task, state=f"loss {loss / seen:.4f}  top-1 {hits / seen:.1%}  {speed:,.0f} clips/s")
            self.looked, self.clips_at_look = now, self.clips

    def epoch(self, epoch, loss, top1, rate, found: dict | None, best: float, best_epoch: int) -> None:
        """After each epoch: the line that stays."""
        now = time.perf_counter()
        self.epochs_here += 1
        speed = self.clips / (now - self.epoch_began)
        left = (now - self.began) / self.epochs_here * (self.epochs - epoch)
        line = (
            f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}  lr {rate:.2e}  loss {loss:.4f}  top-1 {top1:6.1%}"
        )
        if found is not None:
            line += f"  val top-1 {found['top1']:6.1%}  best {best:6.1%} (epoch {best_epoch})"
        self.console.print(f"{line}  {speed:,.0f} clips/s  {_clock(left)} left")
        self.bar.reset(self.task, description=f"epoch {epoch + 1}", state="")
        self.epoch_began = self.looked = now
        self.clips = self.clips_at_look = 0


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
