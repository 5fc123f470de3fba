"""A few kills of `python -m tests.crash`; fifty of them are `make crash`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_nothing_is_lost_in_six_kills():
    words = [sys.executable, "-m", "tests.crash", "--kills", "6", "--seed", "1"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^(\d+) of \1 kills survived", done.stdout, re.MULTILINE)
