"""Where a run takes place: device, processes, precision, determinism."""

import os

import torch
from lightning_fabric import Fabric


def start_processes(accelerator: str, devices: int, nodes: int = 1, precision: str = "32-true") -> Fabric:
    """Lightning's Fabric, launched. Raises ValueError for a device or precision that this machine does not have."""
    try:
        fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, precision=precision)
    except (RuntimeError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"accelerator '{accelerator}' with {devices} devices in {precision}: {reason}") from None
    fabric.launch()
    return fabric


def set_determinism(deterministic: bool) -> None:
    """Only operations that give the same result each time, or the fastest."""
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic
