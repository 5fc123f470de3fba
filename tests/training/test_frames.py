"""Training on every frame of long recordings: windows, the head before pooling, losses, and a run that learns."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import kinegraph as kg
from kinegraph.cli import main
from kinegraph.data.dataset import write_dataset
from kinegraph.data.loading import train_loader
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.data.windows import WindowDataset, concerns, pieces, window_starts
from kinegraph.evaluation.scoring import score_frames, window_weight
from kinegraph.inference.embedding import embeddings
from kinegraph.inference.explanation import joint_shares
from kinegraph.inference.predictor import Predictor, frame_rows, frame_stretches, predictor_of
from kinegraph.models.ensemble import Ensemble
from kinegraph.models.frames import FrameWise, frames_a_moment
from kinegraph.models.jointdistances import JointDistances
from kinegraph.models.layers.absent import between_moments
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import Weights
from kinegraph.skeleton.clip import SkeletonClip
from kinegraph.skeleton.graph import adjacency
from kinegraph.skeleton.layout import JointLayout
from kinegraph.skeleton.segment import IGNORED, Segment
from kinegraph.training.losses import BinaryCrossEntropy, CrossEntropy
from kinegraph.training.tasks import FrameTask

LAYOUT = JointLayout("stick", ("hip", "neck", "head"), ((1, 0), (2, 1)), centre=0)
STEPS = Preprocessing(people=1, normalize="none", sampling="window", frames=16)


def recording(name: str, frames: int, *segments: Segment) -> SkeletonClip:
    """The first coordinate is the number of the frame; people are away nowhere."""
    keypoint = np.ones((1, frames, 3, 3), np.float32)
    keypoint[..., 0] += np.arange(frames)[None, :, None]
    return SkeletonClip(keypoint, LAYOUT, name, fps=10.0, splits={"split": "train"}, segments=segments)


@pytest.fixture
def folder(tmp_path):
    long = recording("long", 60, Segment(10, 20, 0), Segment(15, 40, 1))
    short = recording("short", 7, Segment(2, 5, 1))
    about = {"layout": LAYOUT, "class_names": ("a", "b", "none"), "units": "m", "source": "made for a test"}
    return write_dataset(tmp_path / "d", [long, short], **about, none=2)


def test_labels_are_those_of_the_frames_in_a_window(folder):
    """Also behind the end of a short recording, and where two classes overlap."""
    windows = WindowDataset(folder, np.array([0, 1]), STEPS, seed=3)
    truth = np.array([2] * 10 + [0] * 5 + [IGNORED] * 5 + [1] * 20 + [2] * 20)
    seen = set()
    for epoch in range(4):
        for position in range(len(windows)):
            views, labels, people, _ = windows[epoch, position]
            assert (views.shape, labels.shape, people) == ((1, 1, 16, 3, 3), (16,), 1)
            frames = views[0, 0, :, 0, 0].astype(int) - 1
            if windows.places[position].recording == 0:
                assert (np.diff(frames) == 1).all()
                np.testing.assert_array_equal(labels, truth[frames])
                seen |= set(frames.tolist())
            else:
                assert labels.tolist() == [2, 2, 1, 1, 1, 2, 2] + [IGNORED] * 9
                assert (views[0, 0, 7:] == 0).all()
    assert seen == set(range(60))
    assert windows.class_counts() == [5, 23, 34]


def test_windows_lie_around_every_segment_and_gap(folder):
    windows = WindowDataset(folder, np.array([0, 1]), STEPS, seed=0)
    assert sorted((it.label, it.recording, it.start, it.end) for it in windows.places) == [
        (0, 0, 10, 20), (1, 0, 15, 28), (1, 0, 28, 40), (1, 1, 2, 5),
        (2, 0, 0, 10), (2, 0, 40, 50), (2, 0, 50, 60), (2, 1, 0, 2), (2, 1, 5, 7),
    ]  # fmt: skip
    batches = list(train_loader(windows, 4, epoch=0, balanced=True))
    drawn = np.concatenate([windows.label[positions.numpy() % len(windows)] for *_, positions in batches])
    assert np.bincount(drawn).tolist() == [3, 3, 3]
    assert pieces(Segment(0, 10, 0), 4) == [(0, 3), (3, 7), (7, 10)]
    assert window_starts(60, 16, 8) == [0, 8, 16, 24, 32, 40, 44]
    assert window_starts(7, 16, 8) == [0]


def test_what_will_hardly_be_learnt_is_said(folder, tmp_path):
    windows = WindowDataset(folder, np.array([0, 1]), STEPS, seed=0)
    assert concerns(windows, stride=10) == []
    (line,) = concerns(windows, stride=11)
    assert "once for 11 frames, and half of the segments have 10 or fewer" in line
    (line,) = concerns(WindowDataset(folder, np.array([0]), replace(STEPS, frames=61), seed=0), stride=1)
    assert "longer than every recording (60 at most)" in line
    about = {"layout": LAYOUT, "class_names": ("a",), "units": "m", "source": "made for a test"}
    alone = write_dataset(tmp_path / "e", [recording("r", 60, Segment(10, 20, 0))], **about)
    (line,) = concerns(WindowDataset(alone, np.array([0]), STEPS, seed=0), stride=1)
    assert "nothing to learn" in line


def test_several_classes(folder):
    windows = WindowDataset(folder, np.array([0, 1]), STEPS, several=True)
    _, labels, _, _ = windows[0, 1]
    np.testing.assert_array_equal(labels[:, :2], [[0, 0]] * 2 + [[1, 0]] * 5 + [[1, 1]] * 5 + [[0, 1]] * 4)
    _, labels, _, _ = windows[0, len(windows) - 1]
    assert np.isnan(labels[7:]).all()
    assert labels[:7, 2].tolist() == [1, 1, 0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling": "uniform"}, "expected 'window'"),
        ({"normalize": "first_frame"}, "may drop frames"),
        ({"test_mirror": True}, "test_mirror"),
    ],
)
def test_a_preparation_that_labels_cannot_follow_is_refused(folder, changes, message):
    about = {"people": 1, "normalize": "none", "sampling": "window", "frames": 16} | changes
    with pytest.raises(ValueError, match=message):
        WindowDataset(folder, np.array([0]), Preprocessing(**about), seed=0)


def network(classes: int = 3) -> STGCN:
    torch.manual_seed(0)
    return STGCN(torch.from_numpy(adjacency(LAYOUT, "spatial")).float(), 3, classes, widths=[8, 16]).eval()


def test_the_mean_of_frame_logits_is_the_clips_logits():
    """So a network of clips starts a training on frames; here with as many moments as frames, and with half."""
    x = torch.randn(2, 2, 16, 3, 3)
    x[1, 1] = 0
    for strides in ([1, 1], [1, 2]):
        graph = torch.from_numpy(adjacency(LAYOUT, "spatial")).float()
        model = STGCN(graph, 3, 3, widths=[8, 16], strides=strides).eval()
        logits = FrameWise(model)(x, torch.tensor([2, 1]))
        assert logits.shape == (2, 16, 3)
        moments = logits[:, :: strides[1]]
        torch.testing.assert_close(moments.mean(1), model(x), atol=1e-5, rtol=1e-5)
        assert frames_a_moment(model, x) == strides[1]
        member = {"network": "kinegraph.models.stgcn.STGCN", "widths": [8, 16], "strides": strides}
        assert frames_a_moment(Ensemble(graph, 3, 3, members=[member] * 2), x) == strides[1]
    halves = between_moments(torch.tensor([[[0.0], [2.0]]]), 4)
    assert halves.flatten().tolist() == [0, 1, 2, 2]


def test_a_network_without_moments_is_not_trained_on_frames():
    with pytest.raises(ValueError, match="JointDistances has some of a whole clip alone"):
        FrameWise(JointDistances(torch.eye(3)[None], 3, 4))


def test_ignored_frames_teach_nothing():
    logits = torch.randn(2, 5, 3, requires_grad=True)
    labels = torch.tensor([[0, 1, IGNORED, 2, 2], [IGNORED] * 5])
    task = FrameTask(several=False, smoothing=0.15)
    task.loss(CrossEntropy([1, 1, 1]), logits, labels).backward()
    assert (logits.grad[1] == 0).all()
    assert (logits.grad[0, 2] == 0).all()
    assert logits.grad[0, 0].any()
    assert task.hits(logits.detach(), labels)[2] == 4
    nothing = task.loss(CrossEntropy([1, 1, 1]), logits[1:], labels[1:])
    assert nothing == 0


def test_the_smoothing_loss_by_hand():
    """Two frames of two classes: log-probabilities (log 1/2, log 1/2) and (log 3/4, log 1/4)."""
    logits = torch.log(torch.tensor([[[0.5, 0.5], [0.75, 0.25]]]))
    labels = torch.tensor([[0, 0]])
    plain, smooth = (FrameTask(False, weight).loss(CrossEntropy([1, 1]), logits, labels) for weight in (0.0, 1.0))
    assert float(smooth - plain) == pytest.approx((np.log(1.5) ** 2 + np.log(0.5) ** 2) / 2)
    jump = torch.tensor([[[0.0, 0.0], [90.0, 0.0]]])  # the second class falls by 89.3, which counts as 4
    plain, smooth = (FrameTask(False, weight).loss(CrossEntropy([1, 1]), jump, labels) for weight in (0.0, 1.0))
    assert float(smooth - plain) == pytest.approx((np.log(2) ** 2 + 16) / 2)


def test_binary_cross_entropy_of_frames_counts_each_answer():
    logits = torch.tensor([[[2.0, -2.0], [2.0, -2.0]]])
    labels = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
    task = FrameTask(several=True)
    assert task.hits(logits, labels).tolist() == [1.5, 1.5, 2]
    loss = task.loss(BinaryCrossEntropy([1, 1]), logits, labels)
    assert float(loss) == pytest.approx((3 * np.log1p(np.exp(-2)) + np.log1p(np.exp(2))) / 4)


class Echo(STGCN):
    """Answers with the number of the frame, so that places can be compared."""

    def forward_features(self, x):
        return x[..., :1].expand(*x.shape[:-1], self.head.in_features).contiguous()


def echo() -> Echo:
    model = Echo(torch.from_numpy(adjacency(LAYOUT, "spatial")).float(), 3, 3, widths=[1])
    torch.nn.init.zeros_(model.head.bias)
    model.head.weight.data = torch.tensor([[0.1], [0.0], [0.0]])
    return model


def test_every_frame_is_scored_at_its_place(folder):
    """Windows that overlap by half, a last one that does not, and a recording shorter than a window."""
    from lightning_fabric import Fabric

    model = echo()
    windows = WindowDataset(folder, np.array([1, 0]), STEPS)
    short, long = score_frames(Fabric(accelerator="cpu"), model, windows, batch_size=3)
    assert (short.name, long.name) == ("short", "long")
    for one, frames in ((short, 7), (long, 60)):
        logit = 0.1 * (1 + np.arange(frames))
        np.testing.assert_allclose(one.probabilities[:, 0], np.exp(logit) / (np.exp(logit) + 2), rtol=1e-5)
    assert window_weight(4).tolist() == window_weight(4)[::-1].tolist()
    assert window_weight(4).min() > 0


def test_weights_of_clips_answer_for_windows(folder):
    """Each frame takes the mean of the windows over it; the answer of one window for frames 0 to 16 is a constant."""
    from lightning_fabric import Fabric

    model = echo()
    windows = WindowDataset(folder, np.array([0, 1]), STEPS, dense=True)
    assert [place.start for place in windows.places[:3]] == [0, 2, 4]
    long, short = score_frames(Fabric(accelerator="cpu"), model, windows, batch_size=3, pooled=True)
    logit = 0.1 * np.arange(1, 8).sum() / 16  # frames behind the end are zero
    np.testing.assert_allclose(short.probabilities[:, 0], np.exp(logit) / (np.exp(logit) + 2), rtol=1e-5)
    first = 0.1 * np.arange(1, 17).mean()
    np.testing.assert_allclose(long.probabilities[0, 0], np.exp(first) / (np.exp(first) + 2), rtol=1e-5)


def test_prediction_is_that_of_a_test(folder):
    """The stretches of `predict` are the frames of `test`, on a recording longer and one shorter than a window."""
    from lightning_fabric import Fabric

    model = network()
    predictor = Predictor(model, LAYOUT, folder.class_names, STEPS, of_frames=True)
    windows = WindowDataset(folder, np.array([0, 1]), STEPS)
    for index, tested in enumerate(score_frames(Fabric(accelerator="cpu"), model, windows, batch_size=4)):
        rows = frame_rows(predictor, folder[index], batch_size=2)
        np.testing.assert_allclose(rows, tested.probabilities, atol=1e-6)
        stretches = frame_stretches(predictor, folder[index])
        assert [one.start for one in stretches] == [0, *(one.stop for one in stretches[:-1])]
        assert stretches[-1].stop == len(rows)


def test_frames_of_a_test_do_not_change_the_windows_of_a_network_of_frames(folder):
    weights = Weights(network(), LAYOUT, folder.class_names, STEPS.to_dict(), {"training": {"task": "frames"}})
    other = replace(weights, preprocessing=weights.preprocessing | {"test_frames": 8})
    one, two = (frame_rows(predictor_of(it), folder[0]) for it in (weights, other))
    np.testing.assert_array_equal(one, two)


def test_the_precision_reaches_the_frames(folder):
    exact, rough = (
        frame_rows(Predictor(network(), LAYOUT, folder.class_names, STEPS, precision=precision), folder[0])
        for precision in ("32-true", "bf16-mixed")
    )
    assert 0 < np.abs(exact - rough).max() < 0.02


def test_all_windows_of_a_recording_are_explained(folder):
    predictor = Predictor(network().eval(), LAYOUT, folder.class_names, STEPS, of_frames=True)
    clip = folder[int(folder.frames.argmax())]
    assert len(joint_shares(predictor, [clip]).answers) == -(-clip.frames // STEPS.frames) > 1


def test_the_vector_of_a_recording_is_of_all_its_frames(folder):
    """The mean over four windows of 16 of 64 frames, in which the first coordinate is the number of the frame."""
    model = Echo(torch.from_numpy(adjacency(LAYOUT, "spatial")).float(), 3, 3, widths=[2])
    predictor = Predictor(model.eval(), LAYOUT, folder.class_names, STEPS, of_frames=True)
    (vectors,) = embeddings(predictor, [recording("long", 64)], batch_size=3)
    np.testing.assert_allclose(vectors, [[32.5, 32.5]])


CONFIG = """
split: split
task: frames
model: {class_path: kinegraph.models.stgcn.STGCN, init_args: {widths: [4]}}
preprocessing: {people: 1, normalize: none, sampling: window, frames: 16}
epochs: 2
batch_size: 4
report: false
"""


DONE = (Segment(10, 20, 0), Segment(15, 40, 1))


def trained(tmp_path, *words: str, segments=DONE, none: int | None = 2) -> int:
    """The exit code of a training; the second recording, which is validated on, has these segments."""
    clips = [recording("one", 60, Segment(10, 20, 0), Segment(25, 40, 1)), recording("two", 60, *segments)]
    clips[1] = replace(clips[1], splits={"split": "val"})
    about = {"layout": LAYOUT, "class_names": ("a", "b", "none"), "units": "m", "source": "made up", "none": none}
    write_dataset(tmp_path / "long", clips, **about)
    (tmp_path / "frames.yaml").write_text(CONFIG)
    place = ["--dataset", str(tmp_path / "long"), "--work-dir", str(tmp_path / "run")]
    return main(["train", str(tmp_path / "frames.yaml"), *place, *words])


def test_the_figures_of_segments_are_in_the_table_and_on_the_terminal(tmp_path, capsys):
    assert trained(tmp_path, "--monitor", "f1_50") == 0
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    logged = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    measured = [line for line in logged if line["mode"] == "val"]
    assert [float(row["f1_50"]) for row in rows] == [line["f1_50"] for line in measured]
    assert {"edit", "map"} <= rows[0].keys()
    shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch ")]
    assert f"f1_50 {measured[-1]['f1_50']:6.1%}" in shown[-1]


def test_a_loss_that_ignores_no_frame_says_so(tmp_path, capsys):
    assert trained(tmp_path, "--loss", "BinaryCrossEntropy", "--epochs", "1", none=None) == 0
    said = capsys.readouterr()
    assert "35 frames without a label are taken as frames in which no class is there" in said.out
    assert "val labels right" in said.err  # of a yes or no for each class: no top-1
    assert "top-1" not in said.err
    assert kg.run(tmp_path / "run").report.read_text().count("Labels right, %") == 1


@pytest.mark.parametrize(
    ("words", "segments", "none", "message"),
    [
        ([], (), None, "no frame of part 'val' has one label, so nothing can be measured; --no-validate trains"),
        (["--monitor", "map"], (), 2, "is of segments, and the recordings of part 'val' have none; give top1"),
        (["--monitor", "map"], (Segment(0, 60, 2),), 2, "the recordings of part 'val' have none"),
        (["--monitor", "edit", "--loss", "BinaryCrossEntropy"], (Segment(0, 9, 0),), 2, "give f1_50 or map"),
    ],
)
def test_a_figure_that_cannot_be_measured_chooses_no_weights(tmp_path, capsys, words, segments, none, message):
    assert trained(tmp_path, *words, segments=segments, none=none) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
