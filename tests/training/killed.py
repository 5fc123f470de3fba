"""A run that is killed in the middle, to be resumed."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kinegraph.training.loop import Training


class Killed(Exception):
    pass


@contextmanager
def killed_after(steps: int) -> Iterator[None]:
    """The run inside dies when so many steps are done."""
    step = Training._step

    def dying_step(self, *batch):
        if self.progress.step == steps:
            raise Killed
        return step(self, *batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "_step", dying_step)
        with pytest.raises(Killed):
            yield
