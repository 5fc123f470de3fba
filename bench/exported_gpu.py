"""Rows of exported networks for `gpu.py`: onnxruntime on a GPU (CUDA, TensorRT) and on the CPU, in fp32 and int8.

    python bench/exported_gpu.py FILE PROVIDER CLIPS.npy     # milliseconds of a batch, its way to the GPU included

Each figure comes from a process of its own: TensorRT may take minutes to build an engine, and all memory of the GPU is
free again afterwards.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from jobs import Job, batch
from measure import Unavailable
from networks import LAYOUTS, write_weights
from table import Row

PROVIDERS = {"cpu": "CPUExecutionProvider", "CUDA": "CUDAExecutionProvider", "TensorRT": "TensorrtExecutionProvider"}
ROUNDS, LIMIT = 5, 90  # LIMIT: seconds of a figure
EXACT = {"NVIDIA_TF32_OVERRIDE": "0"}  # CUDA and TensorRT multiply fp32 with 10 bits otherwise


def exported_rows(folder: Path, work: Job, remark: Callable[[str], None], left: Callable[[], float]) -> Iterator[Row]:
    """Milliseconds of a batch by each provider that is there; for each other one a remark says what it needs.

    left: seconds that there are.
    """
    name = f"exported, N={work.clips} T={work.frames} V={work.joints}"
    try:
        import onnxruntime

        files = written(folder, work)
    except (ImportError, ValueError) as reason:
        remark(f'left out: {name}: {reason}; pip install "kinegraph[export]"')
        return
    there, clips = onnxruntime.get_available_providers(), folder / f"clips-{work.clips}.npy"
    np.save(clips, batch(work)[0])
    for provider, key in PROVIDERS.items():
        if key not in there:
            remark(f"left out: {name}, onnxruntime {provider}: needs a GPU and onnxruntime-gpu, here are {there}")
            continue
        for precision, file in files.items():
            try:
                times = measured(file, key, clips, min(LIMIT, left()))
            except Unavailable as reason:
                remark(f"left out: {name}, onnxruntime {provider} {precision}: {reason}")
                continue
            yield Row(f"{name}, onnxruntime {provider} {precision}", "ms", {"Kinegraph": times}, compared=False)


def written(folder: Path, work: Job) -> dict[str, Path]:
    """The network of the other rows as files in fp32 and int8, which eight of the clips calibrate."""
    import kinegraph as kg
    from kinegraph.data.preprocessing import Preprocessing
    from kinegraph.inference.exported import load_exported
    from kinegraph.inference.quantization import PRODUCTS, quantise
    from kinegraph.models.published import load_published
    from kinegraph.models.weights import Weights

    files = {precision: folder / f"{work.network}-{work.joints}-{precision}.onnx" for precision in ("fp32", "int8")}
    if all(file.exists() for file in files.values()):
        return files
    write_weights(work)
    with np.load(work.weights) as tensors:
        network = load_published({key: torch.from_numpy(tensors[key]) for key in tensors.files}).eval()
    classes = tuple(f"class {i}" for i in range(network.head.out_features))
    steps = Preprocessing(people=work.people, frames=work.frames).to_dict()
    kg.export(Weights(network, kg.load_layout(LAYOUTS[work.joints]), classes, steps, {}), files["fp32"])
    fed = [{"clips": clip[None]} for clip in batch(work)[0][:8]]
    quantise(files["fp32"], files["int8"], load_exported(files["fp32"]), fed, PRODUCTS)
    return files


def measured(file: Path, provider: str, clips: Path, seconds: float) -> list[float]:
    """`milliseconds` in a process. Raises Unavailable with its reason, also after so many seconds."""
    if seconds <= 5:
        raise Unavailable("no time")
    command = [sys.executable, __file__, file, provider, clips]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | EXACT, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"not done after {seconds:.0f} s") from None
    if done.returncode:
        raise Unavailable((done.stderr.strip() or f"its process ended with {done.returncode}").splitlines()[-1][:160])
    return json.loads(done.stdout.splitlines()[-1])


def milliseconds(file: Path, provider: str, clips: np.ndarray) -> list[float]:
    """One number a round. Raises Unavailable where the provider does not start, or leaves the graph to the CPU."""
    import onnxruntime

    if provider != PROVIDERS["cpu"] and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # CUDA's libraries, where pip brought them with torch
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(file), options, providers=[provider])
    if session.get_providers()[0] != provider:
        raise Unavailable(f"{provider} did not start: no GPU, or its libraries are not there")
    session.run(None, {"clips": clips})  # kernels are chosen, engines are built
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        session.run(None, {"clips": clips})  # results are in the memory of the CPU when it returns
        times.append(1e3 * (time.perf_counter() - begin))
    return times


if __name__ == "__main__":
    print(json.dumps(milliseconds(Path(sys.argv[1]), sys.argv[2], np.load(sys.argv[3]))))
