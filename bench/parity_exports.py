"""Is an exported network the network? Every network, as each kind of file, by each runtime that is there.

    python bench/parity_exports.py --folder DIR [--node package/dist] [--only STGCN AGCN] [--times]

Prints a table: the largest difference of logits from torch, relative to their spread, and for how many clips the
likeliest class is the same. "Single frames" are those of `export --stream`. Runtimes: onnxruntime; OpenVINO where
`openvino` is installed; with --node the WebAssembly of onnxruntime-web, which browsers run too, in Node.

The networks have two or three narrow blocks (--published: their published sizes), weights that are not trained and the
25 joints of NTU RGB+D; clips are random. So the column of int8 says how far its numbers are away; what int8 costs on
trained weights is measured by `kinegraph export --int8`. --times adds milliseconds of one clip (M=1, T=100) and of
one frame of a stream, on one thread. Files in DIR are kept and used again.
"""

import argparse
import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

import kinegraph as kg
from kinegraph.allowed import NETWORKS
from kinegraph.data.preprocessing import Preprocessing
from kinegraph.inference.exported import STATE, load_exported
from kinegraph.inference.quantization import PRODUCTS, quantise
from kinegraph.models.network import network_class
from kinegraph.models.weights import load_weights, save_weights

FRAMES, JOINTS, CLASSES, ROUNDS = 64, 25, 60, 20
CLIPS = {"fixed": ((5, 2, FRAMES),) * 4, "dynamic": ((1, 2, 1), (2, 2, 7), (3, 2, 33), (4, 2, 150), (10, 2, FRAMES))}
NARROW: dict[str, dict[str, Any]] = {
    **{name: {"widths": [16, 32]} for name in ("STGCN", "STGCNPP", "AGCN", "CTRGCN", "DGSTGCN", "AAGCN")},
    "MSG3D": {"widths": [24, 48, 96]},
    "ProtoGCN": {"widths": [16, 16, 32]},
}
Feed = dict[str, np.ndarray]
Run = Callable[[Feed], list[np.ndarray]]  # inputs by name -> outputs in their order
Cell = tuple[float, int, int]  # largest difference, clips of the same class, clips


# ---- runtimes --------------------------------------------------------------------------------------------------------


def by_onnxruntime(file: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)


def by_openvino(file: Path) -> Run:
    import openvino

    core = openvino.Core()
    hints = {
        "INFERENCE_NUM_THREADS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }  # else bfloat16 where the CPU has units for it
    request = core.compile_model(core.read_model(str(file)), "CPU", hints).create_infer_request()

    def run(feed: Feed) -> list[np.ndarray]:
        found = request.infer(feed)
        return [np.array(found[i]) for i in range(len(found))]

    return run


NODE = """
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
const ort = await import(process.argv[2]);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(process.argv[3]), { executionProviders: ["wasm"] });
const arrays = { float32: Float32Array, int64: BigInt64Array, bool: Uint8Array };
for await (const line of createInterface({ input: process.stdin })) {
  const feed = {};
  for (const [name, [type, dims, data]] of Object.entries(JSON.parse(line))) {
    const bytes = Uint8Array.from(Buffer.from(data, "base64"));
    feed[name] = new ort.Tensor(type, new arrays[type](bytes.buffer), dims);
  }
  const found = await session.run(feed);
  console.log(JSON.stringify(session.outputNames.map((name) => {
    const it = found[name];
    return [it.type, it.dims, Buffer.from(it.data.buffer, it.data.byteOffset, it.data.byteLength).toString("base64")];
  })));
}
"""


def by_node(file: Path, dist: Path) -> Run:
    script = file.parent / "run.mjs"
    script.write_text(NODE)
    words = ["node", str(script), str((dist / "ort.wasm.bundle.min.mjs").resolve()), str(file)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    into, out = process.stdin, process.stdout

    def run(feed: Feed) -> list[np.ndarray]:
        packed = {
            name: [str(it.dtype), it.shape, base64.b64encode(np.ascontiguousarray(it)).decode()]
            for name, it in feed.items()
        }
        into.write(json.dumps(packed) + "\n")
        into.flush()
        line = out.readline()
        if not line:
            raise ValueError("Node ended")
        return [np.frombuffer(base64.b64decode(data), kind).reshape(dims) for kind, dims, data in json.loads(line)]

    return run


# ---- files -----------------------------------------------------------------------------------------------------------


def made(folder: Path, name: str, published: bool) -> tuple[Any, dict[str, Path | str]]:
    """The network, and its files by kind, or the reason why there is none."""
    layout, weights = kg.load_layout("ntu25"), folder / f"{name}.safetensors"
    if not weights.is_file():
        torch.manual_seed(0)
        kind = network_class(next(it for it in NETWORKS if it.endswith(f".{name}")))
        network = kind(
            torch.tensor(kg.adjacency(layout)).float(), 3, CLASSES, **({} if published else NARROW.get(name, {}))
        ).eval()
        torch.nn.init.normal_(network.get_submodule("head").weight, 0, 0.1)
        about = {"layout": layout, "class_names": [f"class {i}" for i in range(CLASSES)]}
        steps = Preprocessing(people=1 if name.startswith("STGCN") else 2, frames=FRAMES)
        save_weights(weights, network, **about, preprocessing=steps.to_dict())
    files: dict[str, Any] = {}
    some = [{"clips": clips(1, 2, FRAMES, seed)} for seed in range(100, 108)]  # that calibrate
    for kind, write in (
        ("fp32", lambda file: kg.export(weights, file)),
        ("stream", lambda file: kg.export(weights, file, stream=True)),
        ("int8", lambda file: quantise(files["fp32"], file, load_exported(files["fp32"]), some, PRODUCTS)),
    ):
        file = folder / f"{name}.{kind}.onnx"
        if kind == "int8" and not isinstance(files["fp32"], Path):
            continue
        try:
            if not file.is_file():
                write(file)
            files[kind] = file
        except (ValueError, TypeError) as error:
            files[kind] = str(error)
    return load_weights(weights).model.eval(), files


def clips(n: int, m: int, t: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    body = rng.standard_normal((n, m, 1, JOINTS, 3)) + rng.standard_normal((n, m, t, JOINTS, 3)).cumsum(2) / 5
    return body.astype(np.float32)


# ---- comparisons -----------------------------------------------------------------------------------------------------


def of_clips(network: Any, run: Run, shapes: tuple[tuple[int, int, int], ...]) -> Cell:
    largest, same, count = 0.0, 0, 0
    for seed, shape in enumerate(shapes):
        x = clips(*shape, seed)
        try:
            with torch.no_grad():
                wanted = network(torch.from_numpy(x)).numpy()
        except (ValueError, RuntimeError):
            continue  # the network does not take such clips
        found = run({"clips": x})[0]
        largest = max(largest, float(np.abs(found - wanted).max() / wanted.std()))
        same, count = same + int((found.argmax(1) == wanted.argmax(1)).sum()), count + len(x)
    return largest, same, count


def of_frames(network: Any, run: Run, file: Path) -> Cell:
    """Moments of two people, of whom one comes eleven frames later; both recordings end after 100 frames."""
    about, late, frames = load_exported(file), 11, 100
    delay = (about.frame_by_frame or {})["delay"]
    x = clips(2, 1, frames, 7)[:, 0]
    inputs = about.session.get_inputs()
    shapes = {it.name: it.shape[1:] for it in inputs if it.name.startswith(STATE)}
    new = [np.zeros((1, 2), np.int64), *(np.zeros((1, *shape), np.float32) for shape in shapes.values())]
    rows, state = [list[np.ndarray](), list[np.ndarray]()], new
    for t in range(frames + late + delay):
        if t == late:
            state = [np.concatenate([one, other]) for one, other in zip(state, new, strict=True)]
        ages = [t] if t < late else [t, t - late]
        frame = np.stack([x[i, min(age, frames - 1)] for i, age in enumerate(ages)])
        there = np.array([age < frames for age in ages], np.int64)
        logits, ready, *state = run(
            {"frame": frame, "there": there} | dict(zip(["clock", *shapes], state, strict=True))
        )
        for i in range(len(ages)):
            if ready[i]:
                rows[i].append(logits[i])
    with torch.no_grad():
        wanted = network.head(network.forward_features(torch.from_numpy(x)).mean(2)).numpy()  # (2, moments, classes)
    found = np.array(rows)
    same = int((found.argmax(2) == wanted.argmax(2)).sum())
    return float(np.abs(found - wanted).max() / wanted.std()), same, wanted.shape[0] * wanted.shape[1]


def shortest(runs: dict[str, Run]) -> dict[str, float]:
    """Milliseconds of one clip; the runs take turns."""
    feed, times = {"clips": clips(1, 1, 100, 5)}, dict.fromkeys(runs, float("inf"))
    for _ in range(ROUNDS):
        for name, run in runs.items():
            begin = time.perf_counter()
            run(feed)
            times[name] = min(times[name], 1000 * (time.perf_counter() - begin))
    return times


def of_a_frame(weights: Path, file: Path) -> dict[str, float]:
    """Milliseconds of a frame of one person in a stream: the mean over the phases of the strides of their shortest."""
    asked = {"exact engine in torch": weights, "graph by onnxruntime": load_exported(file, threads=1)}
    streams = {name: kg.Stream(it, fps=30, window=60, compare=False) for name, it in asked.items()}
    best = {name: [float("inf")] * 4 for name in streams}
    for t, frame in enumerate(clips(1, 1, 600, 3)[0, 0]):
        for name, stream in streams.items():
            begin = time.perf_counter()
            stream.push(frame)
            if t > 100:  # answers come
                best[name][t % 4] = min(best[name][t % 4], 1000 * (time.perf_counter() - begin))
    return {name: float(np.mean(times)) for name, times in best.items()}


# ---- the table -------------------------------------------------------------------------------------------------------


def row(
    name: str, network: Any, files: dict[str, Path | str], open_by: dict[str, Callable[[Path], Run]]
) -> Iterator[str]:
    """A line for each runtime."""
    for runtime, opened in open_by.items():
        cells: list[str] = []
        for column in ("fp32", "dynamic", "stream", "int8"):
            file = files.get("fp32" if column == "dynamic" else column)
            cells.append(cell(column, network, file, opened) if isinstance(file, Path) else "-")
        yield f"| {name} | {runtime} | {' | '.join(cells)} |"


def cell(column: str, network: Any, file: Path, opened: Callable[[Path], Run]) -> str:
    try:
        run = opened(file)
        if column == "stream":
            largest, same, count = of_frames(network, run, file)
        else:
            largest, same, count = of_clips(network, run, CLIPS["dynamic" if column == "dynamic" else "fixed"])
    except Exception as error:  # of three runtimes, each with its own classes
        return f"fails: {str(error).splitlines()[-1][:80]}"
    return f"{largest:.0e}, {same} of {count}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--node", type=Path, help="folder dist of the npm package onnxruntime-web")
    every = [
        it.rpartition(".")[2] for it in NETWORKS if not it.endswith(("PoseStatistics", "FixedFeatures"))
    ]  # which take six channels
    parser.add_argument("--only", nargs="+", default=every)
    parser.add_argument("--published", action="store_true", help="networks of published sizes; a folder is of one kind")
    parser.add_argument("--times", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    open_by: dict[str, Callable[[Path], Run]] = {"onnxruntime": by_onnxruntime}
    with suppress(ImportError):
        import openvino  # noqa: F401

        open_by["OpenVINO"] = by_openvino
    if given.node:
        open_by["WebAssembly"] = lambda file: by_node(file, given.node)
    print("| network | runtime | fp32 | other shapes | single frames | int8 |\n|---|---|---|---|---|---|")
    for name in given.only:
        network, files = made(given.folder, name, given.published)
        for line in row(name, network, files, open_by):
            print(line, flush=True)
        for kind, reason in files.items():
            if isinstance(reason, str):
                print(f"note: {name}, {kind}: {reason}", flush=True)
        if given.times and isinstance(file := files["stream"], Path):
            found = of_a_frame(given.folder / f"{name}.safetensors", file).items()
            print(f"time: {name}, a frame: {', '.join(f'{how} {value:.2f} ms' for how, value in found)}", flush=True)
        if given.times:
            for kind in ("fp32", "int8"):
                if isinstance(file := files.get(kind), Path):
                    times = shortest({it: opened(file) for it, opened in open_by.items()})
                    said = ", ".join(f"{runtime} {value:.2f} ms" for runtime, value in times.items())
                    print(f"time: {name}, {kind}: {said}", flush=True)


if __name__ == "__main__":
    main()
