"""docs/python.md says what is true: its blocks are run one after another, as in a notebook, and twice."""

import re
import warnings
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_block_runs_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    warnings.simplefilter("ignore", UserWarning)  # of so few clips
    cells: dict[str, object] = {}
    losses = []
    for _ in range(2):
        for text in BLOCK.findall(PAGE):
            exec(compile(text, "docs/python.md", "exec"), cells)
        losses.append(cells["again"].metrics["loss"])
    assert losses[0] == losses[1]
    printed = capsys.readouterr().out
    assert "SkeletonDataset(" in printed
    assert "48 clips, 2 classes, coco17, 2D in px, splits xsub" in printed
    assert "dataset folder" in printed
    assert all(Path(file).stat().st_size > 10_000 for file in ("graph.png", "clip.html", "compare.html"))
    assert cells["tested"].confusion.sum() == 12
