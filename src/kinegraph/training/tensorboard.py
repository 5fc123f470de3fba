"""The log's figures as TensorBoard scalars, for who has installed it (`pip install kinegraph[tensorboard]`)."""

from importlib.util import find_spec
from pathlib import Path

NOT_DRAWN = ("mode", "epoch", "iter")


def check_tensorboard() -> None:
    """Raises ValueError when it is not installed."""
    if find_spec("tensorboard") is None:
        raise ValueError("tensorboard is not installed: pip install 'kinegraph[tensorboard]', or leave --tensorboard")


class Scalars:
    """An event file in `folder`. first_step: what an interrupted run has drawn from there on is not shown."""

    def __init__(self, folder: Path, first_step: int):
        from torch.utils.tensorboard import SummaryWriter  # seconds to import

        self.writer = SummaryWriter(str(folder), purge_step=first_step)

    def __enter__(self) -> "Scalars":
        return self

    def __exit__(self, *_) -> None:
        self.writer.close()

    def add(self, step: int, record: dict) -> None:
        """The numbers of one line of the log."""
        for name, value in record.items():
            if name not in NOT_DRAWN:
                self.writer.add_scalar(f"{record['mode']}/{name}", value, step)
        self.writer.flush()
