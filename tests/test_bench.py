"""The bench asserts nothing; here are its arithmetic, and that its plain path and ours are the same networks."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCH = Path(__file__).parent.parent / "bench"


@pytest.fixture
def table(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    import table

    yield table
    del sys.modules["table"]


def test_ratios_are_those_within_rounds(table):
    cells = {"plain path": [9.0, 9.0, 9.0], "MMAction2": [2.0, 4.0, 80.0], "Kinegraph": [1.0, 2.0, 20.0]}
    row = table.Row("inference", "ms", cells)  # the third round ran beside another program
    assert row.reference() == "MMAction2"
    assert row.ratio("Kinegraph") == 2.0
    assert row.ratio("MMAction2") is None
    assert table.cell(row, "Kinegraph") == "2 [1.5-11] 2.00x"


def test_without_mmaction2_the_plain_path_is_the_measure(table):
    row = table.Row("loading", "clips/s", {"plain path": [10.0], "Kinegraph": [1234.0]}, more_is_better=True)
    assert table.cell(row, "Kinegraph") == "1,234 123.40x"
    assert table.as_markdown([row]).splitlines() == [
        "| work | unit | plain path | Kinegraph |",
        "| --- | --- | --- | --- |",
        "| loading | clips/s | 10 | 1,234 **123.40x** |",
    ]


def test_plain_path_and_ours_say_the_same(tmp_path):
    rows = r"of (stgcn|stgcnpp|agcn) logits from fp64, V=17|of msg3d logits"
    command = [sys.executable, BENCH, "--quick", "--rows", rows, "--peers", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("largest difference")]
    assert len(lines) == 4
    for line in lines:
        plain, ours = map(float, re.findall(r"\d\.?\d*e-\d+", line)[:2])
        assert 0 < plain < 1e-5
        assert 0 < ours < 1e-5
    assert "not installed: costgcn, mmaction2, tensorflow; `make bench-peers` brings them" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_script_for_a_gpu_runs_on_a_cpu(tmp_path):
    """Some of its tests, and a row of each kind, at sizes that measure nothing."""
    rows = r"^(tests|training step, eager, .* V=17, 2/2|kinegraph train, .* V=17, \d loading$)"
    command = ["bash", BENCH / "gpu.sh", "--device", "cpu", "--tiny", "--rows", rows]
    where = os.environ | {"PYTHON": sys.executable, "OUT": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=where)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert done.stdout == table
    assert re.search(r"\* tests: \d+ passed", table)
    assert "left out" not in table
    _, _, *rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 4  # of each kind its speed, and its memory or its waiting for data


def test_peak_of_a_gpu_and_the_work_of_a_clip(monkeypatch, tmp_path):
    """The published rates of an A100; the operations of ST-GCN, counted by hand in docs/performance.md."""
    monkeypatch.syspath_prepend(BENCH)
    from networks import job, write_weights
    from roofline import operations, peak, shares

    about = {"major": 8, "minor": 0, "multi_processor_count": 108}
    found = peak(SimpleNamespace(**about, clock_rate=1_410_000))
    assert str(found) == "fp32 19 TFLOP/s, bf16 312 TFLOP/s"
    assert str(peak(SimpleNamespace(**about))) == "fp32 not known, bf16 not known"
    work = job(tmp_path, clips=2, people=1)
    write_weights(work)
    assert operations(work) == pytest.approx(2 * 3.81e9, rel=1e-3)
    assert shares(work, found, {"Kinegraph": [1.0]})["Kinegraph"][0] == pytest.approx(39.1, rel=1e-2)
