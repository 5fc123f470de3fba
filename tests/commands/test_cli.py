"""The command line: wrong input is one clear line and exit code 2, and leaves nothing behind."""

import os
import subprocess
import sys

import pytest

from kinegraph.cli import VERBS, main
from tests import made_up


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    made_up.dataset(folder / "dataset")
    made_up.dataset(folder / "other", layout_name="openpose25")
    (folder / "array.npz").write_bytes(b"PK")
    (folder / "nothing.npy").touch()
    config = made_up.config(folder / "config.yaml", folder / "dataset", epochs=1)
    assert main(["train", str(config), "--work-dir", str(folder / "run")]) == 0
    return folder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "did you mean 'train'"),
        (["train", "none.yaml"], "no config file none.yaml"),
        (["train", "{config}", "--epohs", "3"], "did you mean 'epochs'"),
        (["train", "{config}", "--epoch", "3"], "no option 'epoch' of kinegraph train; did you mean 'epochs'?"),
        (["train", "{config}", "--work", "{new}"], "no option 'work' of kinegraph train; did you mean 'workers'?"),
        (["train", "{config}", "--lr", "fast"], "optimizer.lr: expected a number, found 'fast'"),
        (["train", "{config}", "--lr"], "--lr is there without a value"),
        (["draw", "{other}", "a.html", "--up"], "--up is there without a value"),
        (["train", "{config}", "--precision", "fp31"], "expected one of '32-true'"),
        (["train", "{config}", "--epochs", "many"], "epochs: expected a whole number or 'auto', found 'many'"),
        (["train", "{config}", "--epochs", "0"], "epochs is 0, expected at least 1"),
        (["train", "{config}", "--preprocessing.sampling", "lop"], "expected one of 'loop', 'fill'"),
        (["train", "{config}", "--model.init_args.dropuot", "0.1"], "did you mean 'dropout'"),
        (["train", "{config}", "--dataset", "nowhere"], "nowhere"),
        (["train", "{config}", "--split", "xview"], "xsub"),
        (["train", "{config}", "--layout", "coco17"], "'coco17' has 17 joints"),
        (["train", "{config}", "--layout", "ntu52"], "did you mean"),
        (["train", "{config}", "--preprocessing.normalize", "image"], "no image size"),
        (["train", "{config}", "--work-dir", "{run}"], "--resume goes on"),
        (["train", "{config}", "--work-dir", "{new}", "--resume"], "nothing to resume"),
        (["train", "{config}", "--work-dir", "{run}", "--resume", "--batch-size", "2"], "batch_size 4, asked for is 2"),
        (
            ["train", "{config}", "--work-dir", "{run}", "--resume", "--optimizer.lr", "0.5"],
            "has optimizer.init_args.lr 0.05, asked for is 0.5: it would be another run",
        ),
        (["train", "{config}", "--clip-gradients", "-1"], "clip_gradients is -1"),
        (["train", "{config}", "--clip-gradients", "abc"], "clip_gradients: expected a number, found 'abc'"),
        (["train", "{config}", "--seed", "-1"], "seed is -1, expected at least 0"),
        (["train", "{config}", "--accelerator", "abacus"], "accelerator 'abacus'"),
        (["test", "{config}", "{weights}", "--batch-size", "-1"], "batch_size is -1"),
        (["test", "{config}", "{weights}", "--dataset", "{other}"], "'ntu25' with 25 joints"),
        (["test", "{config}", "{weights}", "--eval", "top_k_acuracy"], "top_k_accuracy"),
        (["test", "{config}", "{weights}", "--out", "result.txt"], ".pkl"),
        (["test", "{config}", "{config}"], "is not a safetensors file"),
        (["test", "{config}", "none.safetensors"], "none.safetensors"),
        (["train", "{config}", "--work-dir", "{other}"], "is a dataset folder"),
        (["test", "{config}", "{checkpoint}"], "the weights are beside it"),
        (["convert", "{checkpoint}", "{new}"], "the weights are beside it"),
        (["train", "{config}", "--seed", "9" * 30], "seed is 99999"),
        (["train", "{config}", "--workers", "1000000"], "workers is 1000000, expected at most 128"),
        (["train", "{config}", "--devices", "1000000"], "devices is 1000000, expected at most 64"),
        (["prepare", "ntu60", "{run}", "{new}", "--workers", "1000000"], "workers is 1000000"),
        (["prepare", "table", "{run}", "{new}", "--fps", "0"], "fps is 0, expected frames a second"),
        (["synthesize", "{new}", "--workers", "1000000"], "workers is 1000000"),
        (["convert", "{other}", "{new}", "--format", "tfrecord", "--shuffle-seed", "-1"], "--shuffle-seed is -1"),
        (["train", "{config}", "--loss.class_weights", "balancd"], "found 'balancd'; did you mean 'balanced'?"),
        (["train", "{config}", "--frames", "9"], "did you mean 'preprocessing.frames'?"),
        (["train", "{config}", "--model", "STGNC"], "did you mean 'kinegraph.models.stgcn.STGCN'?"),
        (["train", "{config}", "--preprocessing.frames", "1000000000"], "poses"),
        (["fuse", "a.pkl", "b.pkl", "--data", "{other}", "--weights", "-1", "nan"], "expected a number, found 'nan'"),
        (["fuse", "a.pkl", "b.pkl", "--data", "{other}", "--weights", "-1", "2"], "the weights are -1 2"),
        (["enroll", "any", "{other}"], "--out is missing; expected kinegraph enroll WEIGHTS EXAMPLES ... --out OUT"),
        (["fuse", "--data", "{other}"], "results is missing; expected kinegraph fuse RESULTS ..."),
        (["convert", "{other}", "{new}", "--format", "tfrecord", "--shards", "1000000"], "expected 1 to 10,000"),
        (["train", "{weights}"], "is no YAML config"),
        (["test", "{weights}", "{weights}"], "is no YAML config"),
        (["train", "{other}"], "is a dataset folder, no YAML config; did you mean small_data --dataset"),
        (["train", "{run}"], "run is a folder, no YAML config; did you mean"),
        (["convert", "{other}", "{new}"], "--format npy or tfrecord or movement writes a folder"),
        (["convert", "{other}", "{new}.csv"], "new.csv; --format table writes a .csv file"),
        (["prepare", "ntu60", "nowhere", "{new}"], "nowhere"),
        (["prepare"], "path and out are missing; expected kinegraph prepare PATH OUT"),
        (["prepare", "NTU_60", "{run}", "{new}"], "did you mean 'ntu60'?"),
        (["prepare", "ntu60", "{array}", "{new}"], "no file for ntu, which reads .skeleton; did you mean 'npz'?"),
        (["prepare", "npy", "{nothing}", "{new}"], "nothing.npy is an empty file"),
        (["inspect", "{nothing}"], "nothing.npy is an empty file"),
        (["prepare", "{run}", "{new}"], "is not recognised: a folder with checkpoints, config.yaml"),
    ],
)
def test_wrong_input_is_one_line(place, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(place)
    names = {
        "config": place / "config.yaml",
        "run": place / "run",
        "new": place / "new",
        "other": place / "other",
        "weights": place / "run" / "checkpoints" / "last.safetensors",
        "checkpoint": place / "run" / "checkpoints" / "last.ckpt",
    }
    names |= {"array": place / "array.npz", "nothing": place / "nothing.npy"}
    before = sorted(place.rglob("*"))
    assert main([word.format(**names) for word in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1, captured.err
    assert words in captured.err
    assert sorted(place.rglob("*")) == before


def test_a_misspelt_key_in_a_config_is_named(place, tmp_path, capsys):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((place / "config.yaml").read_text().replace("batch_size", "batchsize"))
    assert main(["train", str(wrong)]) == 2
    assert "did you mean 'batch_size'" in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: kinegraph {verb}")
    assert f"\nexamples:\n  kinegraph {verb} " in text
    assert len(text.splitlines()) <= 96  # two screens
    assert max(map(len, text.splitlines())) <= 120  # examples are not broken


def test_help_and_import_load_nothing_heavy():
    for code in ("import kinegraph", "from kinegraph.cli import main; main(['--help'])"):
        check = f"{code}\nimport sys; assert not {{'torch', 'lightning_fabric', 'matplotlib'}} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)


def test_dashes_and_underscores_are_the_same(place, tmp_path):
    config = str(place / "config.yaml")
    assert main(["train", config, "--work_dir", str(tmp_path / "a"), "--no-validate"]) == 0
    assert main(["train", config, "--work-dir", str(tmp_path / "b"), "--validate=false"]) == 0


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_who_leaves_takes_no_file_with_him(place, tmp_path, stream):
    reading, writing = os.pipe()
    os.close(reading)
    words = ["predict", str(place / "run"), str(place / "dataset"), "--out", str(tmp_path / "answers.csv")]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: writing}
    done = subprocess.run([sys.executable, "-m", "kinegraph", *words], **streams, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr or "") == (0, "")
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 28


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_full_disk_below_the_output_is_said():
    with open("/dev/full", "w") as full:
        words = [sys.executable, "-m", "kinegraph", "--help"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "kinegraph: not all that was printed could be written: no space left on device\n"
