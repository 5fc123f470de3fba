"""A page with the cells of a notebook: clip, dataset, answer, run and test, in the style that Jupyter gives them.

    python -m tests.cells_page RUN DATASET SPLIT OUT.html
"""

import sys
from pathlib import Path

import kinegraph as kg

# What JupyterLab's own style says of tables, its colours by those of the system.
STYLE = """
:root { color-scheme: light dark }
body { font: 13px/1.4 system-ui, sans-serif; margin: 1em; background: light-dark(#fff, #111) }
table { border-collapse: collapse; font-size: 12px; margin-bottom: 1em }
td, th { text-align: right; padding: .5em; overflow-wrap: anywhere }
thead { border-bottom: 1px solid #bdbdbd }
tbody tr:nth-child(odd) { background: light-dark(#f5f5f5, #212121) }
"""


def page(run: str, dataset: str, split: str) -> str:
    data, trained = kg.open_dataset(dataset), kg.run(run)
    tested = kg.test(trained, dataset=data, split=split, progress=False)
    shown = [data[0], data, kg.predict(trained.model, data[0]), trained, tested]
    cells = "".join(f"<section>{it._repr_html_()}</section>" for it in shown)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Cells</title>'
    return f"<!doctype html><html lang=en><head>{head}<style>{STYLE}</style></head><body>{cells}</body></html>"


if __name__ == "__main__":
    Path(sys.argv[4]).write_text(page(*sys.argv[1:4]), encoding="utf-8")
