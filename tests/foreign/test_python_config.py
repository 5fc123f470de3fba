"""Python configs are read as data: values, base files, placeholders, changes; and what is code is refused."""

import os

import pytest

from kinegraph.foreign.python_config import option_value, read_python_config


def values(folder, text, *cfg_options, name="c.py", **others):
    for other, content in others.items():
        (folder / f"{other}.py").write_text(content)
    (folder / name).write_text(text)
    return read_python_config(folder / name, cfg_options)[0]


def test_values_of_every_form(tmp_path):
    config = values(
        tmp_path,
        """
'''a docstring'''
import os.path as osp
from mmaction.models import STGCN
n, size = 60, (1, -2)
modality = 'j'
steps = [dict(type='A'), *[dict(type='B')] * 2] + [dict(type='C', t=[(3, 1), ('max', 3), '1x1'])]
model = dict(type=STGCN, classes=n * 2, **dict(a=1.5))
plain = {'a': None, 'b': [True, False], 1: 2}
work_dir = f'work/{modality}_{n:03d}/' + 'x' * 2
path = osp.join('data', 'ntu')
text = '{}_{}'.format('a', 1) + '-%s' % n
model['deep'] = dict(b=2)
model.update(c=3)
del n
""",
    )
    assert config["model"] == {"type": "STGCN", "classes": 120, "a": 1.5, "deep": {"b": 2}, "c": 3}
    assert [it["type"] for it in config["steps"]] == ["A", "B", "B", "C"]
    assert config["steps"][3]["t"] == [(3, 1), ("max", 3), "1x1"]
    assert config["plain"] == {"a": None, "b": [True, False], "1": 2}
    assert (config["work_dir"], config["path"], config["text"]) == ("work/j_060/xx", "data/ntu", "a_1-60")
    assert config["size"] == (1, -2)
    assert "n" not in config
    assert config["model"].line("deep") == "c.py:13"


def test_base_files_are_merged_as_mmcv_merges_them(tmp_path):
    base = "a = dict(x=1, y=dict(z=2, w=3))\nb = dict(q=1)\nc = [1, 2]\nd = 5"
    config = values(
        tmp_path,
        "_base_ = ['./base.py', './other.py']\n"
        "a = dict(y=dict(z=9))\nb = dict(_delete_=True, r=2)\nc = [3]\ne = {{_base_.d}}\nf = _base_.a.y.w",
        base=base,
        other="g = '{{ fileBasenameNoExtension }}-{{ $HOME:here }}'",
    )
    assert config["a"] == {"x": 1, "y": {"z": 9, "w": 3}}
    assert config["b"] == {"r": 2}
    assert (config["c"], config["e"], config["f"], config["g"]) == ([3], 5, 3, "other-here")


def test_new_style_bases(tmp_path):
    (tmp_path / "runtime.py").write_text("model = dict(a=1)")
    text = (
        "from mmengine.config import read_base\nwith read_base():\n    from .runtime import *\nmodel.update(dict(b=2))"
    )
    with pytest.raises(ValueError, match=r"c.py:4: 'model' has no value here"):
        values(tmp_path, text.replace("from .runtime import *", "pass"))
    assert values(tmp_path, text)["model"] == {"a": 1, "b": 2}


def test_changes_from_the_command_line(tmp_path):
    text = "data = dict(train=dict(pipeline=[dict(type='A', n=1), dict(type='B')]))\noptimizer = dict(lr=0.1)"
    changes = ["optimizer.lr=0.05", "data.train.pipeline.0.n=7", "new.deep=[a,b]", "optimizer.name=SGD"]
    config = values(tmp_path, text, *changes)
    assert config["optimizer"] == {"lr": 0.05, "name": "SGD"}
    assert config["data"]["train"]["pipeline"] == [{"type": "A", "n": 7}, {"type": "B"}]
    assert config["new"] == {"deep": ["a", "b"]}
    assert [option_value(it) for it in ("true", "None", "1,2", "(1,2)", "x", "a/b.pkl")] == [
        True, None, (1, 2), (1, 2), "x", "a/b.pkl",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="beyond the list's 2 elements"):
        values(tmp_path, text, "data.train.pipeline.5.n=7")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import os\nx = os.system('touch made')", r"c.py:2: `os.system\('touch made'\)` is code"),
        ("x = __import__('os')", "c.py:1: .* is code"),
        ("x = (lambda: 1)()", "c.py:1: .* is code"),
        ("x = [i for i in range(3)]", "c.py:1: .* is code"),
        ("x = ''.__class__", "c.py:1: .* is code"),
        ("x = open('made', 'w')", "c.py:1: .* is code"),
        ("def f():\n    pass", "c.py:1: .* is code"),
        ("for i in [1]:\n    x = i", "c.py:1: .* is code"),
        ("x = '{0.__class__}'.format(1)", "c.py:1: .* is code"),
        ("x = f'{1:1000000000}'", "c.py:1: .* is code"),
        ("x = 9 ** 9", "c.py:1: .* is code"),
        ("x = [0] * 10 ** 3", "c.py:1: .* is code"),
        ("x = [0] * 1000000000", "c.py:1: the file makes more than 100,000 values"),
        ("x = 'a' * 9999\ny = x * 99", "c.py:2: the file makes more than 100,000 values"),
        ("a = [1]\n" + "a = [a, a]\n" * 40, "stands for more than 100,000 values"),
        ("a = dict()\na['b'] = a", "a value holds itself"),
        ("x = " + "(" * 1000 + ")" * 1000, "c.py"),
        ("x = 1" + " + 1" * 20000, "nested too deeply"),
        ("x = y", "c.py:1: 'y' has no value here"),
        ("x = 1 +", "c.py:1: not readable as Python"),
        ("x = 1 / 0", "c.py:1: cannot be computed"),
        ("x = [1][5]", "c.py:1: cannot be computed"),
        ("_base_ = './c.py'", "is its own base file: c.py -> c.py"),
        ("_base_ = './gone.py'", "c.py:1: there is no base file .*gone.py"),
        ("_base_ = 3", "c.py:1: _base_ is 3, expected file names"),
        ("x = '{{ $SECRET }}'", "c.py:1: SECRET of the environment is not read"),
    ],
)
def test_code_and_nonsense_are_one_line_and_leave_nothing(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        values(tmp_path, text)
    assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["c.py"]


def test_a_loop_over_two_files_and_what_cannot_be_merged(tmp_path):
    (tmp_path / "a.py").write_text("_base_ = './b.py'")
    (tmp_path / "b.py").write_text("_base_ = './a.py'")
    with pytest.raises(ValueError, match=r"own base file: a.py -> b.py -> a.py"):
        read_python_config(tmp_path / "a.py")
    with pytest.raises(ValueError, match=r"a is a dict here and a int in the base file; _delete_=True"):
        values(tmp_path, "_base_ = './base.py'\na = dict(b=1)", base="a = 1")
    with pytest.raises(ValueError, match="two base files have 'a'"):
        values(tmp_path, "_base_ = ['./base.py', './more.py']", base="a = 1", more="a = 2")


def test_a_missing_runtime_base_is_said_and_not_needed(tmp_path):
    (tmp_path / "c.py").write_text(
        "_base_ = ['../../_base_/default_runtime.py', 'mmaction::_base_/default_runtime.py']\na = 1"
    )
    config, missing, _ = read_python_config(tmp_path / "c.py")
    assert config == {"a": 1}
    assert len(missing) == 2
    assert missing[0].startswith("c.py:1: the base file ../../_base_/default_runtime.py is not there")
