"""The gallery: every script runs in a folder of its own and leaves its pictures, and its notebook is the same."""

import json
import runpy
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.test_docs import made  # noqa: F401 - a fixture

GALLERY = Path(__file__).parents[1] / "docs" / "gallery"
# What each draws. In docs/gallery/img are the same, made smaller.
PICTURES = {
    "first_network": ["first/strip.png"],
    "own_csv": ["own/strip.png"],
    "video": ["video_strip.png"],
    "ntu_recipe": ["ntu/test/confusion_matrix.png"],
    "fusion": ["fusion/both/confusion_matrix.png", "fusion/compare.html"],
    "own_network": ["own_network/why.png"],
    "live": ["live/course.png"],
    "graph_convolution": ["graph.png", "graph/why.png"],
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_script_runs(name, tmp_path, monkeypatch):
    if name == "video" and find_spec("av") is None:
        pytest.skip("needs the extra video")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(GALLERY / f"{name}.py"), run_name="__main__")
    for place in PICTURES[name]:
        if place.endswith(".png"):
            assert np.asarray(Image.open(place).convert("L")).std() > 5
        assert Path(place).stat().st_size > 2000


def test_notebooks_are_those_of_the_scripts(made):  # noqa: F811
    assert {file.stem for file in GALLERY.glob("*.py")} == {*PICTURES}
    for file in GALLERY.glob("*.py"):
        script = file.read_text(encoding="utf-8")
        kept = file.with_suffix(".ipynb").read_text(encoding="utf-8")
        assert kept == made.notebook(script), "run: python docs/generated.py"
        cells = json.loads(kept)["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells[1:] if cell["cell_type"] == "code")
        compile(code, file.name, "exec")
        page = made.gallery_page(file)
        assert page.startswith(f"{made.WIDE}# ")
        assert f"({file.stem}.ipynb)" in page
        assert all((GALLERY / place).is_file() for place in made.pictures_in(page))
