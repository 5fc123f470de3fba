"""Where a run takes place, and how it ends early: device, processes, precision, determinism, requests to stop."""

import atexit
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.distributed import DistError

from kinegraph.data.pool import STOPS
from kinegraph.models.precision import faster_training

# The launchers' counts of starts after the first.
RESTARTS = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")


def start_processes(accelerator: str, devices: int, nodes: int = 1, precision: str = "32-true") -> Fabric:
    """Lightning's Fabric, launched. Raises ValueError for a device or precision that this machine does not have.

    precision: "auto" is bf16-mixed where that is faster on this machine, elsewhere 32-true.
    """
    asked, precision = precision, faster_training(accelerator) if precision == "auto" else precision
    try:
        with _less_said(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".* AMP with fp16 is not supported on CPU")  # said below, in a line
            fabric = Fabric(accelerator=accelerator, devices=devices, num_nodes=nodes, precision=precision)
    except (RuntimeError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"accelerator '{accelerator}' with {devices} devices in {precision}: {reason}") from None
    _check_restarts()
    with naming_lost_processes():
        fabric.launch()
    if fabric.world_size > 1:
        atexit.register(_part)
    if asked == "auto":
        _check_same(fabric, precision)
    taken = fabric.strategy.precision.precision
    if taken != precision and fabric.is_global_zero:
        print(f"warning: {precision} needs a GPU; on this CPU it is {taken}", file=sys.stderr)
    return fabric


def _check_same(fabric: Fabric, precision: str) -> None:
    """Raises ValueError where processes measured another precision as faster than others did."""
    rough = torch.tensor(float(precision != "32-true"), device=fabric.device)
    if fabric.world_size > 1 and 0 < fabric.all_reduce(rough, reduce_op="sum") < fabric.world_size:
        raise ValueError("precision auto: not the same one is faster for all processes; give 32-true or bf16-mixed")


def _part() -> None:
    """Left to itself the connection is torn down with the interpreter, which now and then ends in an abort."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def started_again() -> bool:
    """Whether torchrun --max-restarts or SLURM --requeue repeats a command that has failed or was stopped."""
    return any(os.environ.get(count, "0") not in ("", "0") for count in RESTARTS)


def _check_restarts() -> None:
    """With a shared store of torchrun, restarted processes wait for the addresses of processes that have ended.

    Source: pytorch issue 135712. Raises ValueError at the first start, instead of hanging at the second.
    """
    shared = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if shared and os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0":
        raise ValueError(
            "torchrun --max-restarts would hang when it starts again: set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in its "
            "environment and give it --standalone, or --rdzv-backend c10d for several machines"
        )


@contextmanager
def naming_lost_processes() -> Iterator[None]:
    """What torch says when another process of the run is gone, in one line. Raises OSError with it.

    Raises MemoryError when a GPU's memory is full.
    """
    try:
        yield
    except (RuntimeError, ConnectionResetError, EOFError) as error:
        text = " ".join(str(error).split())
        if isinstance(error, torch.OutOfMemoryError):
            raise MemoryError(f"{text.partition(' GPU ')[0]} Try a smaller --batch-size") from None
        if not isinstance(error, RuntimeError) or "DataLoader worker" in text:
            raise ChildProcessError(
                "a process that prepares batches was ended from outside, perhaps for want of memory: try fewer "
                "--workers. What is saved can be gone on with: --resume"
            ) from None
        if isinstance(error, DistError) or "gloo" in text:
            reason = re.sub(r"\[\S*(?:gloo|torch)\S*\]\s*|\. (?:This|Check) .*", "", text)[:200]
            raise ConnectionError(
                f"another process of this run has ended ({reason}); its output says why. What is saved can be gone "
                "on with: --resume"
            ) from None
        raise


@contextmanager
def _less_said() -> Iterator[None]:
    """Without Lightning's line about the precision, which a notebook shows in red: a run says its own."""
    log = logging.getLogger("lightning_fabric.utilities.rank_zero")
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def stop_request() -> Iterator[Callable[[], bool]]:
    """Yields a function that returns whether Ctrl-C, SIGTERM or SIGHUP came; a second one interrupts at once.

    The loop asks between steps, so that a step that has begun is finished.
    """
    asked = []

    def ask(number, frame):
        asked.append(number)
        signal.signal(number, before[number])

    in_main = threading.current_thread() is threading.main_thread()  # elsewhere Python allows no handlers
    numbers = [number for number in STOPS if signal.getsignal(number) != signal.SIG_IGN] if in_main else []
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, ask)
    try:
        yield lambda: bool(asked)
    finally:
        for number in numbers:
            signal.signal(number, before[number])


def set_determinism(deterministic: bool) -> None:
    """Only operations that give the same result each time, or the fastest."""
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic


def share_buffers(fabric: Fabric, network: nn.Module) -> None:
    """BatchNorm's running statistics differ between processes; the first one's count, as they do in the checkpoint."""
    if fabric.world_size > 1:
        for buffer in network.buffers():
            sent = buffer.contiguous()
            torch.distributed.broadcast(sent, 0)  # Fabric's own goes by way of pickles, and of the first GPU
            buffer.copy_(sent)
