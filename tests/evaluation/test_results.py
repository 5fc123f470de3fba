"""Result files as other projects write them, and what is refused."""

import json
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from kinegraph.evaluation import results
from kinegraph.evaluation.metrics import softmax
from kinegraph.evaluation.results import in_order, read_result

LOGITS = np.random.default_rng(0).normal(0, 4, (7, 5)).astype(np.float32)
PROBABILITIES = softmax(LOGITS).astype(np.float32)


def saved(path, value, protocol=4):
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_lists_of_arrays(tmp_path, dtype, protocol):
    """MMAction2 0.x: logits; PYSKL: the same with probabilities."""
    logits = read_result(saved(tmp_path / "a.pkl", list(LOGITS.astype(dtype)), protocol))
    probabilities = read_result(saved(tmp_path / "b.pkl", list(PROBABILITIES.astype(dtype)), protocol))
    assert (logits.kind, probabilities.kind) == ("logits", "probabilities")
    for result in (logits, probabilities):
        np.testing.assert_allclose(result.probability, softmax(LOGITS), rtol=2e-2 if dtype == np.float16 else 1e-5)
        assert result.labels is None
        assert result.names is None


@pytest.mark.parametrize("protocol", [2, 4])  # 2 is what mmengine's dump writes
@pytest.mark.parametrize("older", [False, True])
def test_dumps_of_mmaction2_1x(tmp_path, protocol, older):
    """As `tools/test.py --dump` writes them: tensors in plain pickles; 1.0 and 1.1 nest them."""

    def clip(row, label):
        scores, labels = torch.from_numpy(row), torch.tensor([label])
        if older:
            return {"pred_scores": {"item": scores}, "gt_labels": {"item": labels}, "pred_labels": {"item": labels}}
        return {
            "pred_score": scores,
            "gt_label": labels,
            "pred_label": scores.argmax()[None],
            "img_shape": (1080, 1920),
        }

    labels = [4, 0, 1, 2, 3, 3, 0]
    result = read_result(saved(tmp_path / "dump.pkl", list(map(clip, PROBABILITIES, labels)), protocol))
    np.testing.assert_array_equal(result.scores, PROBABILITIES)
    assert result.kind == "probabilities"
    assert result.labels.tolist() == labels


def test_dumps_with_numpy_rows(tmp_path):
    clips = [{"pred_score": row, "gt_label": np.array([i % 5])} for i, row in enumerate(PROBABILITIES)]
    result = read_result(saved(tmp_path / "dump.pkl", clips))
    np.testing.assert_array_equal(result.scores, PROBABILITIES)
    assert result.labels.tolist() == [0, 1, 2, 3, 4, 0, 1]


def test_scores_by_name(tmp_path):
    """yysijie/st-gcn and 2s-AGCN: a dict by clip, put in the dataset's order; CTR-GCN's names are numbers."""
    names = [f"S001C001P00{i}R001A001" for i in range(7)]
    shuffled = {f"{names[i]}.skeleton": LOGITS[i] for i in (3, 1, 0, 2, 6, 5, 4)}
    result = read_result(saved(tmp_path / "epoch1_test_score.pkl", shuffled))
    assert result.names == [names[i] for i in (3, 1, 0, 2, 6, 5, 4)]
    ordered = in_order(result, names)
    np.testing.assert_array_equal(ordered.scores, LOGITS)
    assert ordered.names == names
    assert in_order(result, names[:-1]) is result  # other clips: nothing is moved
    counted = read_result(saved(tmp_path / "ctr.pkl", {f"test_{i}": LOGITS[i] for i in (2, 0, 1, 3, 4, 6, 5)}))
    np.testing.assert_array_equal(counted.scores, LOGITS)
    assert counted.names is None
    for number in (int, np.int64):  # CTR-GCN, HD-GCN and InfoGCN on NW-UCLA
        counted = read_result(saved(tmp_path / "ucla.pkl", {number(i): LOGITS[i] for i in (2, 0, 1, 3, 4, 6, 5)}))
        np.testing.assert_array_equal(counted.scores, LOGITS)
        assert (counted.names, counted.counted, ordered.counted) == (None, True, False)
    dumped = [{"pred_score": LOGITS[i], "frame_dir": names[i], "gt_label": np.array([i % 5])} for i in range(6, -1, -1)]
    ordered = in_order(read_result(saved(tmp_path / "dump.pkl", dumped)), names)
    np.testing.assert_array_equal(ordered.scores, LOGITS)
    assert ordered.labels.tolist() == [i % 5 for i in range(7)]


def test_scores_as_an_array(tmp_path):
    np.save(tmp_path / "pred.npy", LOGITS)
    np.testing.assert_array_equal(read_result(tmp_path / "pred.npy").scores, LOGITS)
    for wrong, message in (
        (np.array([{}]), "not a readable .npy of numbers"),
        (LOGITS[0], "expected a list of one row"),
    ):
        np.save(tmp_path / "wrong.npy", wrong, allow_pickle=True)
        with pytest.raises(ValueError, match=message):
            read_result(tmp_path / "wrong.npy")


def test_scores_as_json(tmp_path):
    (tmp_path / "result.json").write_text(json.dumps(LOGITS.tolist()))
    np.testing.assert_array_equal(read_result(tmp_path / "result.json").scores.astype(np.float32), LOGITS)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_that_share_memory(tmp_path, dtype):
    """Rows and columns of one batch are saved with all of its memory."""
    batch = torch.from_numpy(LOGITS).to(dtype)
    rows = read_result(saved(tmp_path / "rows.pkl", [{"pred_score": row} for row in batch]))
    np.testing.assert_array_equal(rows.scores, batch.float().numpy())
    columns = read_result(saved(tmp_path / "columns.pkl", [{"pred_score": column} for column in batch.T]))
    np.testing.assert_array_equal(columns.scores, batch.T.float().numpy())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_memory_that_torch_wrote_is_read_without_torch(tmp_path, monkeypatch, dtype):
    """Torch takes several times as long. A file that lies about its numbers still goes that way, and fails."""
    rows = torch.from_numpy(LOGITS).to(dtype)
    path = saved(tmp_path / "a.pkl", [{"pred_score": row.clone()} for row in rows])
    with monkeypatch.context() as changed:
        changed.setattr(results, "load_file", None)
        np.testing.assert_array_equal(read_result(path).scores, rows.numpy())
    count = b"a." + (5).to_bytes(8, "little")
    honest = path.read_bytes()
    assert honest.count(count) == len(LOGITS)
    for lie in (4, 6, 2**62):
        path.write_bytes(honest.replace(count, b"a." + lie.to_bytes(8, "little")))
        with pytest.raises(ValueError, match="not a readable pickle"):
            read_result(path)


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        ([[0.5, 0.5], [0.3, 0.7005]], "probabilities"),
        ([[0.5, 0.5], [0.3, 0.72]], "logits"),  # one row does not sum to 1
        ([[1.5, -0.5], [0.5, 0.5]], "logits"),  # sums to 1, but is negative
    ],
)
def test_what_numbers_are_taken_for(tmp_path, scores, kind):
    assert read_result(saved(tmp_path / "a.pkl", [np.array(row) for row in scores])).kind == kind


class Command:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_code_is_refused_wherever_it_hides(tmp_path):
    tensor = {"pred_score": torch.from_numpy(PROBABILITIES[0])}
    inside = tmp_path / "inside"
    torch.save(Command(inside), inside.with_suffix(".pt"), _use_new_zipfile_serialization=False)

    class Hidden:
        def __reduce__(self):
            return torch.storage._load_from_bytes, (inside.with_suffix(".pt").read_bytes(),)

    for value in ([Command(inside)], [tensor, Command(inside)], [tensor, Hidden()]):
        with pytest.raises(ValueError, match=r"open"):
            read_result(saved(tmp_path / "evil.pkl", value))
        assert not inside.exists()


def test_a_tensor_cannot_reach_out_of_its_memory(tmp_path):
    storage = torch.arange(4.0).untyped_storage()

    class Reaching:
        def __init__(self, offset, size, stride):
            self.arguments = (torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True),)
            self.arguments += (offset, size, stride, False, OrderedDict())

        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, self.arguments

    inside = read_result(saved(tmp_path / "a.pkl", [Reaching(1, (3,), (1,))]))
    np.testing.assert_array_equal(inside.scores, [[1, 2, 3]])
    for outside in [(2, (3,), (1,)), (-1, (3,), (1,)), (3, (3,), (-1,)), (0, (10**9,), (0,)), (0, (2,), (4,))]:
        with pytest.raises(ValueError, match="does not fit into its 4 numbers"):
            read_result(saved(tmp_path / "a.pkl", [Reaching(*outside)]))


@pytest.mark.parametrize(
    ("memory", "offset", "size", "stride"),
    [
        (np.zeros((5000, 0)), 0, (8,), (1,)),  # has a length, and no numbers
        (np.zeros((2**40, 0)), 2**39, (10,), (1,)),
        (np.zeros(64), 0, (17,), (np.int64(2**60),)),  # times 16 it is 0
        (np.zeros(64), 0, (-2, -2), (1, 1)),
        (np.array([1, 2, "x"], dtype=object), 0, (3,), (1,)),
        (np.float64(1), 0, (1,), (1,)),
    ],
)
def test_arrays_are_not_taken_for_more_memory_than_they_are(tmp_path, memory, offset, size, stride):
    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (memory, offset, size, stride, False, OrderedDict())

    with pytest.raises(ValueError, match=r"does not fit into its 64 numbers|is no row of numbers"):
        read_result(saved(tmp_path / "a.pkl", [Tensor()]))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": 1}, "a dict, expected a list"),
        ([], "an empty list"),
        ([np.zeros(3), np.zeros(4)], r"clip 1 has an array of float64 \(4,\), expected 3 scores"),
        ([np.zeros((2, 3))], "clip 0 has an array"),
        ([np.zeros(3), np.full(3, np.nan)], "clip 1 has scores that are not finite"),
        (["scores"], "clip 0"),
        ([{"label": 3}], "clip 0 has no 'pred_score'; it has label"),
        ([np.zeros(0)], "no score a clip"),
        ([[[1.0], [1.0, 2.0]]], "clip 0"),
    ],
)
def test_other_values_are_named(tmp_path, value, words):
    path = saved(tmp_path / "a.pkl", value)
    with pytest.raises(ValueError, match=words) as error:
        read_result(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_no_pickles(tmp_path):
    cut = tmp_path / "cut.pkl"
    cut.write_bytes(pickle.dumps([{"pred_score": torch.zeros(5)}] * 3)[:-20])
    text = tmp_path / "text.pkl"
    text.write_text("0.1 0.9\n")
    for path in (cut, text):
        with pytest.raises(ValueError, match="not a readable pickle"):
            read_result(path)
    with pytest.raises(ValueError, match="is a folder"):
        read_result(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_result(tmp_path / "none.pkl")
