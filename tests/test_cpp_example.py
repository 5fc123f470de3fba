"""The C++ example compiles and answers as Python does. Headers: the system's, or ONNXRUNTIME_INCLUDE, JSON_INCLUDE."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import kinegraph as kg
from kinegraph.inference.export_prepared import export_prepared

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")
SOURCE = Path(__file__).parents[1] / "examples/cpp"
HEADERS = {
    "ONNXRUNTIME_INCLUDE": Path(os.environ.get("ONNXRUNTIME_INCLUDE", "/usr/include/onnxruntime")),
    "JSON_INCLUDE": Path(os.environ.get("JSON_INCLUDE", "/usr/include")),
}
LIBRARY = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"), None)
there = (HEADERS["ONNXRUNTIME_INCLUDE"] / "onnxruntime_cxx_api.h").is_file() and LIBRARY is not None
there = there and (HEADERS["JSON_INCLUDE"] / "nlohmann/json.hpp").is_file()
pytestmark = pytest.mark.skipif(
    not there or not shutil.which("cmake") or not shutil.which("g++"), reason="cmake, g++ or the headers are missing"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The program, a network that prepares, and a recording of two people with joints that were not seen."""
    place = tmp_path_factory.mktemp("cpp")
    library = place / "libonnxruntime.so"
    library.symlink_to(LIBRARY)
    (place / "libonnxruntime.so.1").symlink_to(LIBRARY)  # its name for the loader
    given = [f"-D{name}={folder}" for name, folder in HEADERS.items()] + [f"-DONNXRUNTIME_LIBRARY={library}"]
    for words in (["-S", SOURCE, "-B", place / "build", *given], ["--build", place / "build"]):
        made = subprocess.run(["cmake", *words], capture_output=True, text=True, timeout=300)
        assert made.returncode == 0, made.stdout + made.stderr
    export_prepared("ui-prmd-20", place / "network.onnx")
    rng, rows = np.random.default_rng(0), ["person,frame,joint,x,y,z"]
    for person in ("b", "a"):
        body = rng.normal(0, 0.5, (22, 3))
        for frame in range(5, 65):
            body += rng.normal(0, 0.02, body.shape)
            for joint, at in enumerate(body):
                if frame % 7 or joint != 3:
                    rows.append(f"{person},{frame},{joint},{at[0]:.6f},{at[1]:.6f},{at[2]:.6f}")
    (place / "clip.csv").write_text("\n".join(rows) + "\n")
    return place


def program(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    run = [place / "build/kinegraph_predict", *words]
    return subprocess.run(run, capture_output=True, text=True, timeout=60, cwd=place)


def test_it_answers_as_python_does(place):
    ran = program(place, "network.onnx", "clip.csv")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == "note: 2 people, the network looks at the first 1\n"
    (clip,) = kg.read(place / "clip.csv", layout="kinect22", fps=30, units="m", up="y")
    wanted = kg.predict(str(place / "network.onnx"), clip).top(5)
    found = re.findall(r" *([\d.]+) %  (.+)", ran.stdout)
    assert [name for _, name in found] == [name for name, _ in wanted]
    np.testing.assert_allclose([float(share) for share, _ in found], [100 * it for _, it in wanted], atol=0.006)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read, or is empty"),
        ("frame,joint,x,y,z\n", "has no rows"),
        ("frame,joint,x,y\n0,0,1,2\n", "the column 'z' is missing"),
        ("frame,joint,x,y,z\n0,tail,1,2,3\n", "line 2: the joint 'tail'"),
        ("frame,joint,x,y,z\n0,22,1,2,3\n", "line 2: there is no joint 22"),
        ("frame,joint,x,y,z\n0,1,1,2,3 m\n", "line 2: '3 m' is no number"),
        ("frame,joint,x,y,z\n0,1,1,2\n", "line 2 has another number of cells"),
        ("frame,joint,x,y,z\n0,1,1,2,3\n90000000,1,1,2,3\n", "more than a million frames"),
    ],
)
def test_wrong_input_is_one_line(place, text, words):
    (place / "wrong.csv").write_text(text)
    ran = program(place, "network.onnx", "wrong.csv")
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert words in ran.stderr


def test_a_network_that_does_not_prepare_is_refused(place):
    kg.export("ui-prmd-20", place / "plain.onnx")
    ran = program(place, "plain.onnx", "clip.csv")
    assert ran.returncode == 2
    assert "export it with --preprocessing graph" in ran.stderr
