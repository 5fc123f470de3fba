"""How far a step is from the fastest that the GPU allows: its multiplications at the GPU's peak rate.

The bound is that of arithmetic alone, of the network as published, with every body computed. Passes over memory make a
real step longer, filters with fewer multiplications and absent bodies make it shorter: a share above 100 % is possible.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import torch
from jobs import Job

LANES = {(8, 0): 64}  # of float32 in a multiprocessor, by compute capability; 128 in the others from 8.6 on
UNITS = {(8, 0): 1024, (8, 6): 256, (8, 9): 256, (9, 0): 2048}  # products of bf16 a clock in a multiprocessor, dense
# Sources: NVIDIA's CUDA C++ Programming Guide, "Arithmetic Instructions"; white papers of A100, GA102, AD102, H100


@dataclass(frozen=True)
class Peak:
    """Operations a second by precision, an addition and a product counting as two; None where it is not known."""

    fp32: float | None
    bf16: float | None

    def __str__(self) -> str:
        rates = {"fp32": self.fp32, "bf16": self.bf16}
        return ", ".join(
            f"{key} {rate / 1e12:.0f} TFLOP/s" if rate else f"{key} not known" for key, rate in rates.items()
        )


def peak_of(device: str) -> Peak | None:
    """Of the GPU; None without one."""
    if device != "cuda" or not torch.cuda.is_available():
        return None
    return peak(torch.cuda.get_device_properties(0))


def peak(properties: object) -> Peak:
    """From torch's device properties; newer versions of torch may lack the clock, then nothing is known."""
    kind = getattr(properties, "major", 0), getattr(properties, "minor", 0)
    clock = 1e3 * getattr(properties, "clock_rate", 0)  # kHz
    each_clock = 2 * clock * getattr(properties, "multi_processor_count", 0)
    lanes = LANES.get(kind, 128 if kind >= (8, 6) else 0)
    return Peak(each_clock * lanes or None, each_clock * UNITS.get(kind, 0) or None)


@cache
def operations(work: Job) -> float:
    """Of one step as published: torch counts those of the plain network on one clip. Training: three times that."""
    from contestants import plain
    from torch.utils.flop_counter import FlopCounterMode

    one = replace(work, clips=1, alone=0, training=False, precision="fp32", device="cpu", mode="eager")
    with FlopCounterMode(display=False) as counter:
        plain.prepare(one)()
    return counter.get_total_flops() * work.clips * (3 if work.training else 1)


def shares(work: Job, peak: Peak, times: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Per cent of the peak rate in each column of a row of milliseconds, as far as the peak is known."""
    rates = {column: peak.bf16 if column.endswith("bf16") else peak.fp32 for column in times}
    return {
        column: [100 * operations(work) / (value / 1e3) / rate for value in values]
        for column, values in times.items()
        if (rate := rates[column])
    }
