"""No key of a config is lost: each decides something, is refused, or is listed with the reason why it is not needed.

The configs are those that the projects publish for one network each, in words of our own.
"""

import re
from collections.abc import Iterator

import pytest

from kinegraph.foreign.block import Block
from kinegraph.foreign.read import read_foreign
from kinegraph.foreign.recipe import Recipe, as_yaml
from tests.foreign import main_py_projects, projects
from tests.foreign.every_config import RUNTIME_0, RUNTIME_1

CONFIGS = {
    "MMAction2 0.x ST-GCN": RUNTIME_0 + projects.mmaction0("stgcn_80e_ntu60_xsub_keypoint"),
    "MMAction2 0.x ST-GCN on BABEL": projects.mmaction0("stgcn_80e_babel60_wfl"),
    "MMAction2 0.x 2s-AGCN": projects.mmaction0("2sagcn_80e_ntu60_xsub_bone_3d"),
    "MMAction2 1.x ST-GCN": RUNTIME_1 + projects.mmaction1("stgcn", "bm", False),
    "MMAction2 1.x ST-GCN++": projects.mmaction1("stgcnpp", "j", True),
    "MMAction2 1.x 2s-AGCN": projects.mmaction1("2s-agcn", "b", False),
    "PYSKL ST-GCN": projects.vanilla("j"),
    "PYSKL ST-GCN++": projects.pyskl("stgcnpp", "j", True, strong=True),
    "PYSKL AAGCN": projects.pyskl("aagcn", "b", False),
    "PYSKL CTR-GCN": projects.pyskl("ctrgcn", "jm", True),
    "PYSKL MS-G3D": projects.pyskl("msg3d", "j", False),
    "PYSKL DG-STGCN": projects.dense("DGSTGCN", "bm"),
    "ProtoGCN": projects.dense("ProtoGCN", "k", more="dict(type='Part_Drop'), "),
    "st-gcn": main_py_projects.ST_GCN,
    "st-gcn on Kinetics": main_py_projects.KINETICS,
    "2s-AGCN": main_py_projects.AGCN,
    "MS-G3D": main_py_projects.MSG3D,
    "CTR-GCN": main_py_projects.CTR,
    "mmskeleton": main_py_projects.MMSKELETON,
}


@pytest.fixture
def read(tmp_path):
    """The recipe of a config with changes of its values, as --cfg-options makes them."""

    def of(name: str, *changes: str) -> Recipe:
        text = CONFIGS[name]
        path = tmp_path / ("config.py" if "model = dict" in text else "config.yaml")
        path.write_text(text)
        return read_foreign(path, changes, validate=True)

    return of


def said(recipe: Recipe) -> str:
    """All that a recipe says, without the places where it stands in the file."""
    options = {key: it.value for key, it in (recipe.options | recipe.tested).items()}
    lines = [re.sub(r"^(\S+:\d+|--cfg-options \S+): ", "", line) for line in recipe.notes + recipe.refused]
    parts = [(it.path, it.split, it.labels) for it in recipe.parts.values()]
    return repr((options, lines, parts, recipe.dataset, recipe.classes, recipe.work_dir))


def groups_of(value: object, path: str = "") -> Iterator[tuple[str, Block]]:
    """The blocks of a config that are needed, each with the keys and places that lead to it."""
    if isinstance(value, list | tuple):
        for place, it in enumerate(value):
            yield from groups_of(it, f"{path}{place}.")
    elif isinstance(value, Block):
        yield path, value
        for key in value.keys() - value.complete:
            yield from groups_of(value[key], f"{path}{key}.")


def another(value: object) -> str:
    """A value of the same kind, as a word of --cfg-options."""
    if isinstance(value, bool):
        return str(not value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(another, value)) or 7}]"
    return str(value * 2 + 3) if isinstance(value, int | float) else f"{value}_x" if value else "7"


PROJECTS = (
    "MMAction2 0.x",
    "MMAction2 1.x",
    "PYSKL",
    "ProtoGCN",
    "st-gcn",
    "2s-AGCN",
    "MS-G3D",
    "CTR-GCN",
    "mmskeleton",
)


@pytest.mark.parametrize("project", PROJECTS)
def test_each_key_decides_something_or_is_listed_as_not_needed(project, read):
    tried, silent = set(), []
    for name in (it for it in CONFIGS if it.startswith(project)):
        recipe = read(name)
        assert recipe.refused == []
        before, left_out = said(recipe), {key for _, key, _ in recipe.left_out}
        for path, block in groups_of(recipe.config):
            for key in sorted(block.keys() - block.complete - left_out):
                value, change = block[key], f"{path}{key}={another(block[key])}"
                plain = not any(isinstance(it, Block) for it in (value, *(value if isinstance(value, list) else ())))
                if plain and change not in tried and said(read(name, change)) == before:
                    silent.append(change)
                tried.add(change)
    assert silent == []


@pytest.mark.parametrize("project", PROJECTS)
def test_a_key_that_nobody_knows_is_named_wherever_it_stands(project, read):
    name = next(it for it in CONFIGS if it.startswith(project))
    for path, _ in groups_of(read(name).config):
        if path:
            assert any("mystery" in line for line in read(name, f"{path}mystery=1").refused), path


def test_a_name_at_the_top_that_no_value_is_made_of_is_said(read):
    assert any("'mystery' has no effect here" in line for line in read("PYSKL AAGCN", "mystery=1").notes)
    assert any("'mystery' has no effect here" in line for line in read("MMAction2 1.x ST-GCN", "mystery=[1]").notes)
    assert any("mystery: settings of another main.py" in line for line in read("CTR-GCN", "mystery=1").refused)


def test_a_config_of_ours_lists_what_it_does_not_need(read):
    text = as_yaml(read("PYSKL AAGCN"))
    assert "# not needed, logging, storing and showing: checkpoint_config, log_config, log_level\n" in text
