"""Command lines as the READMEs of the projects of main.py give them."""

import pytest

from kinegraph.commands.main_py_words import main_py_words

TRAINED = "--work-dir W --base-lr 0.05 --step 10 50 --train_feeder_args bone=True vel=False --device 0 1 "
TRAINED += "--use_gpu False --num-worker 4 --half --weights best.pt --batch-size 32 --optimizer.momentum 0.8"
LEFT = "--work-dir W --accelerator cpu --workers 4 --batch-size 32 --optimizer.momentum 0.8"


def test_options_are_keys_of_the_file_or_ours():
    words = main_py_words("train", TRAINED.split())
    assert " ".join(words.left) == LEFT
    assert words.changes == [
        "base_lr=0.05",
        "step=[10,50]",
        "train_feeder_args.bone=True",
        "train_feeder_args.vel=False",
        "half=True",
        "weights=best.pt",
    ]
    assert [note.partition(":")[0] for note in words.notes] == ["--device"]


def test_weights_come_first_in_testing():
    line = "--work-dir W --phase test --save-score True --weights best.pt --test-batch-size 8 --device 0"
    words = main_py_words("test", line.split())
    assert (words.left, words.changes) == (["best.pt", "--batch-size", "8"], [])
    assert main_py_words("test", ["--device", "0", "best.pt"]).left == ["best.pt"]
    assert main_py_words("test", ["--device", "-1", "best.pt"]).left == ["--accelerator", "cpu", "best.pt"]


@pytest.mark.parametrize(("verb", "phase", "other"), [("train", "test", "test"), ("test", "train", "train")])
def test_the_verb_is_the_phase(verb, phase, other):
    with pytest.raises(ValueError, match=f"--phase {phase}: `kinegraph {other} CONFIG` does this"):
        main_py_words(verb, ["--phase", phase])


def test_states_of_ms_g3d_and_names_with_one_dash():
    line = "-model_saved_name runs --checkpoint c-3.pt --device 0 1 2 W.pt"
    words = main_py_words("test", line.split())
    assert words.left == ["W.pt"]
    assert words.changes == ["model_saved_name=runs"]
    assert [note.partition(":")[0] for note in words.notes] == ["--checkpoint", "--device"]
    assert "--devices 3" in words.notes[1]
    with pytest.raises(ValueError, match=r"--checkpoint c-3\.pt: training goes on from runs of Kinegraph only"):
        main_py_words("train", ["--checkpoint", "c-3.pt"])
