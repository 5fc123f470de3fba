"""Where a run takes place: device, processes, precision, determinism."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from torch.distributed import DistError

# The launchers' counts of starts after the first.
RESTARTS = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")


def start_processes(accelerator: str, devices: int, nodes: int = 1, precision: str = "32-true") -> Fabric:
    """Lightning's Fabric, launched. Raises ValueError for a device or precision that this machine does not have."""
    try:
        fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, precision=precision)
    except (RuntimeError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"accelerator '{accelerator}' with {devices} devices in {precision}: {reason}") from None
    with naming_lost_processes():
        fabric.launch()
    return fabric


def started_again() -> bool:
    """Whether torchrun --max-restarts or SLURM --requeue repeats a command that has failed or was stopped."""
    return any(os.environ.get(count, "0") not in ("", "0") for count in RESTARTS)


@contextmanager
def naming_lost_processes() -> Iterator[None]:
    """What torch says when another process of the run is gone, in one line. Raises OSError with it."""
    try:
        yield
    except RuntimeError as error:
        text = " ".join(str(error).split())
        if worker := re.search(r"DataLoader worker \(pid[^)]*\) .*?(?:signal: (\w+)|exited unexpectedly)", text):
            end = f"was ended from outside ({worker[1] or 'killed'}), perhaps for want of memory: try fewer --workers"
            raise ChildProcessError(f"a process that prepares batches {end}") from None
        if isinstance(error, DistError) or "gloo" in text:
            reason = re.sub(r"\[\S*(?:gloo|torch)\S*\]\s*|\. (?:This|Check) .*", "", text)[:200]
            raise ConnectionError(
                f"another process of this run has ended ({reason}); what it said tells why. What is saved can be gone "
                "on with: --resume"
            ) from None
        raise


def set_determinism(deterministic: bool) -> None:
    """Only operations that give the same result each time, or the fastest."""
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic
