"""Where files are kept that can be made again."""

import os
from pathlib import Path

import numpy as np
import pytest

from kinegraph.files import place_beside, user_cache
from kinegraph.models.quickest import cache_folder, quickest


@pytest.fixture
def homeless(monkeypatch):
    """A user of a container, of whom the system knows nothing."""
    for name in ("KINEGRAPH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)


def test_the_environment_says_where(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder() == Path("/cache/kinegraph/engines")
    monkeypatch.setenv("KINEGRAPH_CACHE", str(tmp_path / "mine"))
    assert user_cache() == tmp_path / "mine"
    assert place_beside(tmp_path / "clips.pkl") == tmp_path
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert place_beside(tmp_path / "clips.pkl") == tmp_path / "mine"
    assert (tmp_path / "mine").is_dir()


def test_without_a_home_folder_nothing_is_kept(homeless, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert user_cache() is None
    found = [quickest({"torch": int}, lambda way: np.ones(2), {}) for _ in range(2)]
    assert not any(it.kept for it in found)
    assert list(tmp_path.iterdir()) == []  # least of all a folder "~"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match="no home folder is known: set KINEGRAPH_CACHE"):
        place_beside(tmp_path / "clips.pkl")
