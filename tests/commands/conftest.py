"""Commands that sweep and crossval start, run in this process."""

import pytest

from kinegraph.cli import main
from kinegraph.training.commands import Commands, Ended


@pytest.fixture
def here(monkeypatch):
    """Trainings in this process, which spares their start; the words of each are kept."""
    called: list[list[str]] = []

    def run(self, words, enough=None):
        called.append(list(words))
        code = main(list(words))
        if enough:
            enough()
        return Ended(code, "failed" if code else "")

    monkeypatch.setattr(Commands, "run", run)
    return called
