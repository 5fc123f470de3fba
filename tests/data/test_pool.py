"""Several processes for a script that does not expect any."""

import os
import subprocess
import sys

SCRIPT = """
from kinegraph.data.pool import in_order

print("begin")
print(sum(in_order(abs, range(64), 2)))
"""


def test_a_script_without_main_guard_is_not_run_again(tmp_path):
    """Each process ran it from its first line, and ended: for want of memory, as was said."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    words = [sys.executable, str(script)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert (found.stdout, found.returncode) == ("begin\n2016\n", 0), found.stderr
