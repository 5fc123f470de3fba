"""What the tests of formats share: files written in a line."""

import json
from pathlib import Path

import pytest


def written(path: Path, content: object) -> Path:
    """A file with a text, with bytes, or with any other value as JSON; its folder is made, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def saving(usual: object = None, usual_name: str = ""):
    """A fixture: writes a content, see `written`, to a name in the test's own folder."""

    @pytest.fixture
    def save(tmp_path):
        return lambda content=usual, name=usual_name: written(tmp_path / name, content)

    return save
