"""A temperature makes probabilities true, and goes into weights."""

import numpy as np
import pytest
import torch

from kinegraph.cli import main
from kinegraph.evaluation.about_result import read_evaluation
from kinegraph.evaluation.calibration import best_temperature, calibration, least_probability, promised
from kinegraph.evaluation.evaluation import Evaluation
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import load_weights, save_weights
from kinegraph.report.html import About
from kinegraph.report.write import write_report
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import load_layout


def true_scores(clips: int = 4000):
    """Logits whose probabilities are true, and labels drawn by them."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (clips, 5))
    labels = (scores + rng.gumbel(size=scores.shape)).argmax(1)
    return scores, labels


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_factor_by_which_logits_were_wrong_is_found(factor):
    scores, labels = true_scores()
    assert best_temperature(scores * factor, labels) == pytest.approx(factor, rel=0.08)


def test_the_least_probability_keeps_its_share_of_right_answers():
    scores, labels = true_scores()
    least = least_probability(scores, labels, 0.9)
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    right = shares.argmax(1) == labels
    assert (shares.max(1)[right] >= least).mean() == pytest.approx(0.9, abs=0.01)
    assert least_probability(scores, (scores.argmax(1) + 1) % 5) == 0


@pytest.mark.parametrize("clips", [10, 20, 40, 199])
def test_the_least_probability_keeps_its_share_of_new_right_answers(clips):
    rng, labels = np.random.default_rng(0), np.zeros(clips, int)
    kept = []
    for _ in range(500):  # the lowest probability of a right answer is 0.5 here, and all above it are alike
        sure = rng.uniform(0.5, 1, clips)
        least = least_probability(np.log(np.stack([sure, 1 - sure], axis=1)), labels, 0.95)
        kept.append((1 - least) / 0.5)
    assert np.mean(kept) == pytest.approx(promised(clips, 0.95), abs=0.01)
    assert promised(10, 0.95) == pytest.approx(10 / 11)
    assert promised(19, 0.95) == promised(199, 0.95) == 0.95


def test_a_network_that_is_very_sure_does_not_doubt_all_its_answers():
    scores = np.eye(5).repeat(20, 0) * 14  # probabilities of 0.99999
    assert least_probability(scores, scores.argmax(1)) == 0.9999


def test_the_command_changes_the_last_layer_alone(tmp_path, capsys):
    layout, names = load_layout("ntu25"), tuple("abcde")
    torch.manual_seed(0)
    network = STGCN(torch.tensor(adjacency(layout)).float(), 3, 5, widths=[4]).eval()
    weights, result, out = (tmp_path / name for name in ("w.safetensors", "result.pkl", "new.safetensors"))
    save_weights(weights, network, layout=layout, class_names=names, preprocessing={})
    scores, labels = true_scores(600)
    tested = Evaluation(0.25 * scores, labels, [f"clip {i}" for i in range(600)], names)
    write_report(result, tested)
    assert main(["calibrate", str(result), str(weights), "--out", str(out)]) == 0  # the other way round, which is said
    said = capsys.readouterr()
    assert "temperature 0.2" in said.out
    assert f"read as kinegraph calibrate {weights} {result}" in said.err
    new = load_weights(out)
    x = torch.randn(2, 1, 8, 25, 3)
    factor = (network(x) / new.model(x)).detach().flatten()
    assert factor.tolist() == pytest.approx([float(factor[0])] * 10, rel=1e-4)
    assert float(factor[0]) == pytest.approx(0.25, rel=0.1)
    after = Evaluation(tested.scores / float(factor[0]), labels, tested.names, names)
    assert calibration(after.confidence, after.right).error < 0.05
    assert 0 < new.extra["least_probability"] < 1
    assert main(["calibrate", str(out), str(result), "--out", str(tmp_path / "twice.safetensors")]) == 2
    assert "is calibrated already, by temperature 0.2" in capsys.readouterr().err
    few = Evaluation(scores[:9], scores[:9].argmax(1), tested.names[:9], names)
    write_report(tmp_path / "few.pkl", few)
    assert main(["calibrate", str(weights), str(tmp_path / "few.pkl"), "--out", str(tmp_path / "few.safetensors")]) == 0
    assert "9 right answers cannot promise --accepted 0.95" in capsys.readouterr().out
    assert main(["calibrate", str(weights), str(result), "--out", str(out)]) == 2


def test_a_result_of_other_weights_is_named(tmp_path, capsys):
    layout, (scores, labels) = load_layout("ntu25"), true_scores(60)
    network = STGCN(torch.tensor(adjacency(layout)).float(), 3, 5, widths=[4]).eval()
    for name in ("one", "two"):
        save_weights(tmp_path / f"{name}.safetensors", network, layout=layout, class_names=[*"abcde"], preprocessing={})
    tested = Evaluation(scores, labels, [f"clip {i}" for i in range(60)], tuple("abcde"))
    write_report(tmp_path / "r.pkl", tested, About(environment={"weights": str(tmp_path / "one.safetensors")}))
    for name, said in (("one", False), ("two", True)):
        given = [
            str(tmp_path / f"{name}.safetensors"),
            str(tmp_path / "r.pkl"),
            "--out",
            str(tmp_path / "n.safetensors"),
        ]
        assert main(["calibrate", *given, "--overwrite"]) == 0
        assert (f"is of {tmp_path / 'one.safetensors'}, not of" in capsys.readouterr().out) is said


@pytest.mark.parametrize("steps", [{}, {"test_mirror": True}, {"test_clips": 10, "sampling": "uniform"}])
def test_that_figures_of_several_views_are_not_exact_is_said(tmp_path, capsys, steps):
    """The mean of the views' probabilities is not that of their logits divided: some answers become others."""
    layout, (scores, labels) = load_layout("ntu25"), true_scores(60)
    network = STGCN(torch.tensor(adjacency(layout)).float(), 3, 5, widths=[4]).eval()
    weights, result, out = (tmp_path / name for name in ("w.safetensors", "r.pkl", "n.safetensors"))
    save_weights(weights, network, layout=layout, class_names=[*"abcde"], preprocessing=steps)
    write_report(result, Evaluation(scores, labels, [f"clip {i}" for i in range(60)], tuple("abcde")))
    assert main(["calibrate", str(weights), str(result), "--out", str(out)]) == 0
    views = 1 if not steps else 2 if "test_mirror" in steps else 10
    assert (f"the mean probability of {views} views" in capsys.readouterr().out) is bool(steps)


def test_a_result_of_one_class_is_read_again(tmp_path):
    write_report(tmp_path / "result.pkl", Evaluation(np.ones((3, 1)), np.zeros(3, int), [*"xyz"], ("only",)))
    tested, _ = read_evaluation(tmp_path / "result.pkl")
    assert (tested.top1, tested.class_names) == (1.0, ("only",))


def test_where_all_or_no_clips_are_right_nothing_is_fitted(tmp_path, capsys):
    layout, names = load_layout("ntu25"), tuple("abcde")
    network = STGCN(torch.tensor(adjacency(layout)).float(), 3, 5, widths=[4]).eval()
    weights, result, out = (tmp_path / name for name in ("w.safetensors", "result.pkl", "new.safetensors"))
    save_weights(weights, network, layout=layout, class_names=names, preprocessing={})
    scores, _ = true_scores(20)
    right = scores.argmax(1)
    for labels, code, words in (
        ((right + (np.arange(20) > 2)) % 5, 0, "temperature 20.00 by 20 clips; it is the last that was tried"),
        (right, 0, "temperature 1.00 by 20 clips; all of them are answered right"),
        ((right + 1) % 5, 2, "of its 20 clips none is answered right"),
    ):
        write_report(result, Evaluation(scores, labels, [f"clip {i}" for i in range(20)], names))
        assert main(["calibrate", str(weights), str(result), "--out", str(out), "--overwrite"]) == code
        assert words in "".join(capsys.readouterr())
    assert torch.equal(load_weights(out).model.head.weight, network.head.weight)
