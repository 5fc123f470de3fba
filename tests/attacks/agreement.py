"""Changed files through `inspect`, `prepare` and `predict`: do the three agree whether a file can be read?"""

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import torch

from kinegraph.cli import main
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.data.read import recordings
from kinegraph.models.stgcn import STGCN
from kinegraph.models.weights import save_weights
from kinegraph.skeleton.graph import adjacency

# What inspect says of the recordings as a whole, which can be read all the same.
OF_CONTENT = {"shared_subjects", "duplicate_content", "class_not_in_train", "no_label", "units", "joint_order"}
OTHER_NETWORK = ("the network was trained on", "the network wants", "large, those that the network", "shows nobody")
OTHER_NETWORK += ("heads are toward", "its joints", "no recording is that large")


def mutants(data: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    """Variants of a file: bits, bytes, numbers, lines and pieces of it changed, left out or doubled."""
    for _ in range(count):
        content = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            kind, place = int(rng.integers(8)), int(rng.integers(len(content)))
            stop = place + int(rng.integers(1, 40))
            if kind == 0:
                content[place] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                content[place:stop] = rng.bytes(stop - place)
            elif kind == 2:
                del content[place:stop]
            elif kind == 3:
                content[place:place] = content[place:stop]
            elif kind == 4:
                del content[place:]
            elif kind == 5:
                content[place:stop] = [b"nan", b"-1", b"1e400", b'""', b"null", b"\xff\xfe", b"0"][int(rng.integers(7))]
            elif kind == 6 and (line := content.find(b"\n", place)) >= 0:
                del content[place : line + 1]
            else:
                content[place:stop] = bytes(stop - place)
            if not content:
                break
        yield bytes(content)


def network_for(path: Path, weights: Path) -> None:
    """Untrained weights for the joints of a file."""
    found = recordings(path)
    clip = next(found.clips)
    torch.manual_seed(0)
    channels, classes = clip.keypoint.shape[3] + (clip.score is not None), max(len(found.class_names), 2)
    network = STGCN(torch.from_numpy(adjacency(clip.layout)).float(), channels, classes, widths=[4])
    names = [f"class {i}" for i in range(classes)]
    how = Preprocessing(people=2, normalize="none", sampling="resample", frames=4).to_dict()
    save_weights(weights, network, layout=clip.layout, class_names=names, preprocessing=how)


def said(*words: object) -> tuple[int, str]:
    """Exit code and all output of a command."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = main([str(word) for word in words])
    return code, out.getvalue()


def disagreement(path: Path, weights: Path, place: Path) -> str:
    """What the three commands disagree about, or nothing."""
    inspected, text = said("inspect", path, "--json", "--all")
    try:
        findings = json.loads(text)["findings"] if inspected in (0, 1) else [{"severity": "problem", "kind": "refused"}]
    except ValueError:
        return f"inspect printed no JSON: {text[:200]}"
    faults = [it for it in findings if it["severity"] == "problem" and it["kind"] not in OF_CONTENT]
    prepared, lines = said("prepare", path, place / "set")
    shutil.rmtree(place / "set", ignore_errors=True)
    predicted, answer = said("predict", weights, path, "--out", place / "answers.csv")
    if {inspected, prepared, predicted} - {0, 1, 2} or "Traceback" in text + lines + answer:
        return f"codes {inspected}, {prepared}, {predicted}: {lines[-200:]} {answer[-200:]}"
    if predicted and any(words in answer for words in OTHER_NETWORK):
        predicted = prepared
    if bool(faults) == bool(prepared) == bool(predicted):
        return ""
    first = faults[0] if faults else "no fault"
    return f"inspect: {first}; prepare {prepared}: {lines[-300:].strip()}; predict {predicted}: {answer[-300:].strip()}"


def compare(name: str, write, clips, base: Path, count: int, seed: int = 0) -> list[str]:
    """The disagreements over `count` mutants of a format's largest file."""
    folder = base / name
    folder.mkdir(parents=True)
    path = write(folder, clips)
    network_for(path, base / f"{name}.safetensors")
    files = [path] if path.is_file() else sorted(filter(Path.is_file, path.rglob("*")))
    victim = max(files, key=lambda file: file.stat().st_size)
    found = []
    for content in mutants(victim.read_bytes(), np.random.default_rng(seed), count):
        victim.write_bytes(content)
        if problem := disagreement(path, base / f"{name}.safetensors", base):
            found.append(problem)
    return found
