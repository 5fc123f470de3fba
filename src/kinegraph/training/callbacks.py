"""Own code that is called while a network trains: classes of `--plugins` files, named by `--callbacks FILE.NAME`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from kinegraph.messages import did_you_mean
from kinegraph.plugins import plugin_classes
from kinegraph.training.run_folder import RunFolder

METHODS = ("on_start", "on_epoch", "on_end")


class Callback(Protocol):
    """Called in the first process of a run. A class may leave methods out.

    run: the run folder, with `path`, `best` and `last` (weights files) and `records("val")` (lines of its log).
    figures: epoch, loss, top1 and lr of the epoch, and where it was validated val_top1, val_loss and so on. The epoch
    is saved by then, so an error raised here loses nothing: `--resume` goes on behind it.
    """

    def on_start(self, run: RunFolder) -> None:
        """Before the first step, also of a resumed run."""

    def on_epoch(self, run: RunFolder, figures: Mapping[str, float]) -> None:
        """After each epoch."""

    def on_end(self, run: RunFolder) -> None:
        """After the last epoch, when the last weights are written; not after Ctrl-C."""


def check_callbacks(names: Sequence[str]) -> None:
    """Raises ValueError for a name that is no such class."""
    known = plugin_classes()
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or "; name a class of your own as FILE.NAME, with --plugins FILE.py"
            raise ValueError(f"callbacks: there is no class '{name}'{hint}")
        if not any(callable(getattr(known[name], method, None)) for method in METHODS):
            raise ValueError(f"callbacks: {name} has none of the methods {', '.join(METHODS)}")


class Callbacks:
    """Some callbacks as one."""

    def __init__(self, names: Sequence[str] = ()):
        self.all = [plugin_classes()[name]() for name in names]

    def on_start(self, run: RunFolder) -> None:
        self._call("on_start", run)

    def on_epoch(self, run: RunFolder, figures: Mapping[str, float]) -> None:
        self._call("on_epoch", run, figures)

    def on_end(self, run: RunFolder) -> None:
        self._call("on_end", run)

    def _call(self, name: str, *arguments: object) -> None:
        for one in self.all:
            if (method := getattr(one, name, None)) is not None:
                method(*arguments)
