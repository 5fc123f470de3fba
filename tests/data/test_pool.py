"""Several processes for a script that does not expect any."""

import os
import subprocess
import sys

import pytest

from tests import made_up

READING = """
from kinegraph.data.pool import in_order

print("begin")
print(sum(in_order(abs, range(64), 2)))
"""
LOADING = """
import multiprocessing

print("begin")
multiprocessing.set_start_method("spawn", force=True)  # the usual one of macOS and Windows

import numpy as np
from kinegraph.data.dataset import open_dataset
from kinegraph.data.loading import ClipDataset, train_loader
from kinegraph.data.preprocessing import Preprocessing

clips = ClipDataset(open_dataset("data"), np.arange(9), Preprocessing(sampling="resample", frames=8), seed=0)
print(sum(len(labels) for _, labels, *_ in train_loader(clips, 4, 0, workers=1)))
"""


@pytest.mark.parametrize(("text", "said"), [(READING, "2016"), (LOADING, "9")])
def test_a_script_without_main_guard_is_not_run_again(tmp_path, text, said):
    """Each process ran it from its first line, and ended: for want of memory, as was said."""
    made_up.dataset(tmp_path / "data", count=9)
    script = tmp_path / "script.py"
    script.write_text(text)
    words = [sys.executable, str(script)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (found.stdout, found.returncode) == (f"begin\n{said}\n", 0), found.stderr
