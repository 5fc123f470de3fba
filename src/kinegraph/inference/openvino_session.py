"""OpenVINO in place of onnxruntime: the same file, the same answers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from kinegraph.inference.exported import Exported
from kinegraph.messages import one_line

PRECISIONS = {"fp32": "f32", "bf16": "bf16"}  # OpenVINO's default on a processor with AMX is bf16


class OpenVinoSession:
    """A graph with the method `run` of onnxruntime's sessions. threads: that compute, by default one a core."""

    def __init__(self, content: bytes, threads: int | None, precision: Literal["fp32", "bf16"]):
        try:
            import openvino
        except ImportError:
            raise ValueError('openvino is not installed: pip install "kinegraph[openvino]"') from None
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": PRECISIONS[precision]}
        settings |= {"INFERENCE_NUM_THREADS": str(threads)} if threads else {}
        try:
            core: Any = openvino.Core()
            self._graph = core.compile_model(core.read_model(content), "CPU", settings)
        except RuntimeError as error:
            raise ValueError(f"OpenVINO cannot run the network: {one_line(error)[:200]}") from None

    def run(self, outputs: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of these names. Several threads may ask at once."""
        found = self._graph.create_infer_request().infer(dict(inputs))
        return [found[name] for name in outputs]


def by_openvino(
    exported: Exported, threads: int | None = None, precision: Literal["fp32", "bf16"] = "fp32"
) -> Exported:
    """The same file, computed by OpenVINO. Raises ValueError where that is not possible."""
    return replace(exported, session=OpenVinoSession(exported.content, threads, precision), absent={})
