"""A page that answers: a network, onnxruntime-web and the player in one HTML file, which loads nothing.

The graph prepares its recordings itself, so the page only reads a file and draws. onnxruntime-web is the user's: two
files of its npm package, compressed into the page and unpacked by the browser.
"""

import base64
import gzip
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kinegraph.atomic import write_atomic
from kinegraph.data.conditions import OTHER_SIZE
from kinegraph.inference.clip_matching import kinds
from kinegraph.inference.export import Report
from kinegraph.inference.export_prepared import export_prepared
from kinegraph.inference.exported import Exported, load_exported
from kinegraph.inference.inputs import ANY_SIZE
from kinegraph.messages import plain_name
from kinegraph.report.page import data, part, text
from kinegraph.report.player import layout_facts, player_css, player_js
from kinegraph.report.stage import ASIDE, DISTANCE, MARGIN, PITCH, ROOM
from kinegraph.skeleton.geometry import UPRIGHT
from kinegraph.skeleton.joint_names import plain_joint
from kinegraph.skeleton.layout import load_layout

SCRIPT, MACHINE = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"  # of onnxruntime-web's dist folder
TESTED = "1.30.0"
GET = f"npm pack onnxruntime-web@{TESTED} && tar xzf onnxruntime-web-{TESTED}.tgz, then --ort package/dist"
POLICY = (  # blob: is onnxruntime's own script, unpacked by the page
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:"
)


UNITS = {"m": "metres", "px": "pixels", "normalised": "the numbers of the training, such as fractions of a picture"}


def write_page(model: Any, out: str | Path, ort: str | Path) -> Report:
    """Write the page. model: as `kinegraph.export` takes it. ort: folder with onnxruntime-web's files.

    Raises ValueError where files of onnxruntime-web are missing, and where preparing cannot be part of the graph; then
    nothing is written.
    """
    out, runtime = Path(out), _runtime(Path(ort))
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        file = Path(folder) / "graph.onnx"
        report = export_prepared(model, file)
        page = _page(load_exported(file), {**runtime, "model": file.read_bytes()}, out.stem).encode()
    write_atomic(out, page)
    return Report(out, report.difference, report.clips, report.same, len(page), report.fixed)


def _runtime(folder: Path) -> dict[str, bytes]:
    """The two files of onnxruntime-web that a page needs."""
    for place in (folder, folder / "dist", folder / "package" / "dist", folder / "onnxruntime-web" / "dist"):
        if (place / SCRIPT).is_file() and (place / MACHINE).is_file():
            return {"script": (place / SCRIPT).read_bytes(), "machine": (place / MACHINE).read_bytes()}
    raise ValueError(f"{folder} does not hold {SCRIPT} and {MACHINE} of onnxruntime-web: {GET}")


def _page(asked: Exported, files: Mapping[str, bytes], title: str) -> str:
    packed = (
        f'<script type="application/octet-stream" id="{name}">{_packed(content)}</script>'
        for name, content in files.items()
    )
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f'<meta name="color-scheme" content="light dark">\n<title>{text(title)}</title>',
            f"<style>\n{part('player_page.css')}{part('answering_page.css')}{player_css()}</style>\n</head>\n<body>\n<main>",
            f"<h1>{text(title)}</h1>",
            '<label id="drop"><input type="file" accept=".json,.jsonl,.ndjson,.csv">'
            "<b>Drop a .json, .jsonl or .csv file of joints here, or choose one</b>"
            "<span>The file stays on this computer</span></label>",
            '<p id="said" role="status"></p>\n<div id="result"></div>',
            _explained(asked),
            "</main>",
            f'<div id="about">{data(_about(asked))}</div>',
            *packed,
            f"<script>\n{player_js()}</script>\n<script>\n{part('answering_page.js')}</script>\n</body>\n</html>\n",
        ]
    )


def _explained(asked: Exported) -> str:
    """The classes, and what a file looks like: the page may be all that its reader has."""
    known = _about(asked)
    numbers = ["x", "y", "z"][: known["dimensions"]] + ["score"] * known["scored"]
    columns = ", ".join(["frame", "joint", *numbers])
    unit = UNITS.get(known["units"], "metres" if known["dimensions"] == 3 else "pixels")
    keypoint = f'{{"keypoint": [[[{", ".join(numbers[: known["dimensions"]])}], ...], ...], "fps": {known["fps"]:g}}}'
    mediapipe = (
        " Or MediaPipe's landmarks as .json: frames of points with x, y, z and visibility."
        if -1 not in known["landmarks"]
        else ""
    )
    joints = "".join(f"<li>{text(name)}</li>" for name in asked.layout.joints)
    return (
        f"<p>The answer is one of {len(asked.class_names)} classes: {text(', '.join(asked.class_names))}.</p>\n"
        "<details><summary>What a file looks like</summary>"
        f"<p>.csv: one row per joint, with the columns <code>{columns}</code>, and <code>person</code> where there are "
        f"several. .json: <code>{text(keypoint)}</code>, frames of joints in the order below. .jsonl: a frame "
        f'per line, <code>{{"people": [{{"keypoint": [[...], ...]}}]}}</code>. In {unit}.{mediapipe}</p>'
        f'<ol start="0" class="joints">{joints}</ol></details>'
    )


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _landmarks(asked: Exported) -> list[int]:
    """For each joint of the network the number of MediaPipe's landmark, -1 where it has none."""
    place = {plain_joint(name): number for number, name in enumerate(load_layout("blazepose33").joints)}
    return [place.get(plain_joint(name), -1) for name in asked.layout.joints]


def _about(asked: Exported) -> dict[str, Any]:
    """What the script has to know of the network and of the stage."""
    steps = asked.preprocessing
    dimensions, scored = kinds(steps, asked.channels, asked.coordinates)[-1]
    trained = asked.trained.fps
    return {
        "class_names": [plain_name(name) for name in asked.class_names],
        "joints": list(asked.layout.joints),
        "layout": layout_facts(asked.layout),
        "people": steps.people,
        "dimensions": dimensions,
        "scored": scored,
        "landmarks": _landmarks(asked),
        "units": asked.trained.units,
        "size": [] if steps.normalize in ANY_SIZE else list(asked.trained.size),
        "other": OTHER_SIZE[dimensions],
        "least": asked.least,
        "fps": trained[1] if trained else 30,
        "upright": UPRIGHT[steps.up],
        "shoulders": list(asked.layout.shoulders or ()),
        "stage": {"pitch": PITCH, "aside": ASIDE, "distance": DISTANCE, "margin": MARGIN, "room": ROOM},
    }
