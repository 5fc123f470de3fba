"""The page about two results against its figures; tests/evaluation/test_compare.py has the statistics."""

from pathlib import Path

import numpy as np

from kinegraph.evaluation.compare import paired
from kinegraph.report.compare_page import comparison_page, verdict
from kinegraph.report.runs import Course, Run, config_differences, short_names
from tests.evaluation.test_compare import an_evaluation


def test_a_verdict_needs_more_than_chance():
    first, second = np.zeros(400, bool), np.zeros(400, bool)
    first[:200], second[60:280] = True, True  # 60 lost, 80 won
    found = paired(an_evaluation(first, classes=4), an_evaluation(second, classes=4))
    assert "within what chance" in verdict(found, "A", "B")


def test_config_differences():
    one = {"epochs": 3, "model": {"init_args": {"widths": [8, 16]}}, "seed": 0, "work_dir": "a", "validate": True}
    two = {"epochs": 3, "model": {"init_args": {"widths": [8]}}, "work_dir": "b", "layout": None, "validate": False}
    assert config_differences([one, two]) == [
        ("model.init_args.widths", ["8, 16", "8"]),
        ("seed", ["0", None]),
        ("validate", ["true", "false"]),
    ]


def test_short_names():
    assert short_names([Path("runs/a"), Path("runs/b")]) == ["a", "b"]
    assert short_names([Path("runs/a/test"), Path("runs/b/test")]) == ["a/test", "b/test"]


def a_run(right, name, config="", **more):
    return Run(Path(name), config, {"torch": "2"}, Course(), an_evaluation(right, **more))


def test_the_page_tells_who_wins_where_and_escapes():
    evil = "<script>alert(1)</script>"
    runs = [a_run([1] * 30 + [0] * 30, "a", f"lr: {evil}"), a_run([1] * 59 + [0], "b", "lr: 1")]
    page = comparison_page(runs, [evil, "b"])
    assert evil not in page
    assert "29 clips" in page
    assert "+48.3 points" in page
    assert "p\xa0&lt;" not in page
    same = comparison_page([runs[0], runs[0]], ["a", "b"])
    assert "right on the same clips" in same
    assert "1 option that not every config states" not in page
    short = comparison_page([runs[0], a_run([1] * 60, "b", "lr: 1\nepochs: 3")], ["a", "b"])
    assert short.index(">lr<") < short.index("1 option that not every config states") < short.index(">epochs<")
    labels = [i % 3 for i in range(60)]
    more = [
        a_run(right, name, labels=labels, classes=8) for right, name in (([0] * 30 + [1] * 30, "a"), ([1] * 60, "b"))
    ]
    assert "5 classes are left out, 5 without clips" in comparison_page(more, ["a", "b"])
    alone = comparison_page([runs[0], Run(Path("c"), "", {}, Course(), None)], ["a", "c"])
    assert "no scores on the clips" in alone
