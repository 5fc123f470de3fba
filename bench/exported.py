"""Latency of one clip on one thread: ST-GCN by torch, by our engine and by onnxruntime, beside MMAction2's.

    python bench/exported.py --peer .venv-peers/mmaction2/bin/python     # bash bench/peers.sh mmaction2

Each row is the shortest of many runs; the runs of all rows take turns. MMAction2's network is loaded as in
contestants/mmaction2.py, and exported by torch.onnx.export as its own script does.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

ROUNDS, FRAMES, JOINTS = 60, 100, 17


def shortest(functions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Milliseconds."""
    times = {name: float("inf") for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            function()  # into the cache
            begin = time.perf_counter()
            function()
            times[name] = min(times[name], 1000 * (time.perf_counter() - begin))
    return times


def clip(people: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, people, FRAMES, JOINTS, 3)).astype(np.float32)


def peer(folder: Path) -> None:
    """In MMAction2's environment: write its network as ONNX, and print the times of torch."""
    from contestants.mmaction2 import load_class
    from contestants.plain import Recognizer

    network = Recognizer(load_class()(graph_cfg={"layout": "coco", "mode": "stgcn_spatial"})).eval()
    x = {people: torch.from_numpy(clip(people)) for people in (1, 2)}
    for people in x:
        file = str(folder / f"mmaction2-{people}.onnx")
        torch.onnx.export(network, (x[people],), file, input_names=["clips"], opset_version=18, dynamo=False)
    with torch.no_grad():
        for people, value in shortest({str(it): (lambda it=it: network(x[it])) for it in x}).items():
            print("torch", people, value)


def session(file: Path) -> Callable[[np.ndarray], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    made = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda x: made.run(None, {"clips": x})


def ours(folder: Path) -> dict[str, Callable[[np.ndarray], object]]:
    import kinegraph as kg
    from kinegraph.data.preprocessing import Preprocessing
    from kinegraph.inference.exported import load_exported
    from kinegraph.inference.quantization import SETTINGS, quantise
    from kinegraph.models.stgcn import STGCN
    from kinegraph.models.weights import save_weights

    layout = kg.load_layout("coco17")
    network = STGCN(torch.tensor(kg.adjacency(layout)).float(), 3, 60).eval()
    steps = Preprocessing(people=2, frames=FRAMES).to_dict()
    names = [f"class {i}" for i in range(60)]
    save_weights(folder / "w.safetensors", network, layout=layout, class_names=names, preprocessing=steps)
    kg.export(folder / "w.safetensors", folder / "fp32.onnx")
    asked = load_exported(folder / "fp32.onnx")
    rows = {"onnxruntime fp32": session(folder / "fp32.onnx")}
    for number, (setting, kinds) in enumerate(SETTINGS.items()):
        quantise(folder / "fp32.onnx", folder / f"{number}.onnx", asked, [{"clips": clip(2)}], kinds)
        rows[f"onnxruntime int8, {setting}"] = session(folder / f"{number}.onnx")
    engines = {"torch eager": network, "engine fp32": kg.optimize(network, "fp32")}
    engines["engine bf16"] = kg.optimize(network, "bf16")
    return {name: (lambda x, it=it: it(torch.from_numpy(x))) for name, it in engines.items()} | rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", type=Path, help="python of MMAction2's environment")
    parser.add_argument("--as-peer", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.as_peer:
        return peer(given.as_peer)
    with TemporaryDirectory() as name, torch.no_grad():
        folder, theirs = Path(name), {}
        rows = ours(folder)
        if given.peer:
            ran = subprocess.run(
                [given.peer, __file__, "--as-peer", folder], capture_output=True, text=True, check=True, timeout=600
            )
            words = (line.split() for line in ran.stdout.splitlines() if line.startswith("torch "))
            theirs = {int(people): float(value) for _, people, value in words}
        for people in (1, 2):
            x = clip(people)
            asked = {key: (lambda it=it, x=x: it(x)) for key, it in rows.items()}
            if given.peer:
                other = session(folder / f"mmaction2-{people}.onnx")
                asked["MMAction2, onnxruntime fp32"] = lambda other=other, x=x: other(x)
            found = ({"MMAction2, torch eager": theirs[people]} if theirs else {}) | shortest(asked)
            for key, value in found.items():
                print(f"M={people} {key:44} {value:8.2f} ms")


if __name__ == "__main__":
    sys.exit(main())
