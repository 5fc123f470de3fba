"""Two pages to be looked at: the cells of a notebook in the style that Jupyter gives them, and a made-up study.

python -m tests.screen_pages RUN DATASET SPLIT       writes cells.html and study.html
"""

import sys
from pathlib import Path

import numpy as np

import kinegraph as kg
from kinegraph.report.study_page import StudyFacts, TrialRow, write_study_page

# What JupyterLab's own style says of tables, its colours by those of the system.
STYLE = """
:root { color-scheme: light dark }
body { font: 13px/1.4 system-ui, sans-serif; margin: 1em; background: light-dark(#fff, #111) }
table { border-collapse: collapse; font-size: 12px; margin-bottom: 1em }
td, th { text-align: right; padding: .5em; overflow-wrap: anywhere }
thead { border-bottom: 1px solid #bdbdbd }
tbody tr:nth-child(odd) { background: light-dark(#f5f5f5, #212121) }
"""
STATES = {0: ("pruned", "after 3 of 20 epochs"), 3: ("failed", "kinegraph: the loss is not finite in epoch 2")}


def cells(run: str, dataset: str, split: str) -> str:
    """Clip, dataset, answer, run and test."""
    data, trained = kg.open_dataset(dataset), kg.run(run)
    tested = kg.test(trained, dataset=data, split=split, progress=False)
    shown = [data[0], data, kg.predict(trained.model, data[0]), trained, tested]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Cells</title>'
    body = "".join(f"<section>{it._repr_html_()}</section>" for it in shown)
    return f"<!doctype html><html lang=en><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>"


def study() -> StudyFacts:
    """Trials of every state with options of short and of long names."""
    rng = np.random.default_rng(0)
    trials = []
    for number in range(24):
        state, remark = STATES.get(number % 7, ("complete", ""))
        score = min(0.96, 0.5 + 0.02 * number + rng.normal(0, 0.05)) if state == "complete" else None
        options = {"optimizer.lr": 10 ** rng.uniform(-4, -1), "batch_size": int(rng.choice([8, 16, 32]))}
        options |= {"preprocessing.augment.bone_lengths": rng.uniform(0, 0.5), "sample": "class_balanced"}
        trials.append(TrialRow(number, state, score, options, remark))
    importance = {"optimizer.lr": 0.71, "preprocessing.augment.bone_lengths": 0.2, "batch_size": 0.09, "sample": 0.0}
    about = {"config": "small_data", "folds": 3, "storage": "runs/sweep_small_data/study.db"}
    return StudyFacts("small_data", "top1", trials, importance, about, "optimizer:\n  init_args: {lr: 0.004}\n")


if __name__ == "__main__":
    Path("cells.html").write_text(cells(*sys.argv[1:4]), encoding="utf-8")
    write_study_page(Path("study.html"), study())
