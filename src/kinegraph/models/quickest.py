"""Which of several ways to compute a network is the fastest here: measured once, and kept in the user's cache folder.

Processors differ too much for a rule: bfloat16 is half as fast as float32 on one and three times as fast on another.
"""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Float

from kinegraph.atomic import write_atomic
from kinegraph.files import user_cache
from kinegraph.messages import one_line
from kinegraph.safe_io import read_json

EXACT, ROUGH = 1e-4, 0.1  # largest difference from the first way, in standard deviations of its logits: fp32, bf16
GAIN = 1.05  # another way than the first has to be so many times as fast: clocks vary
ROUNDS, SECONDS = 15, 2.0  # rounds of measuring, fewer when they take so long
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS")  # of a processor
PACKAGES = ("kinegraph", "torch", "onnxruntime", "openvino")

Way = TypeVar("Way")


@dataclass(frozen=True)
class Measured:
    """The chosen way, and of each way its milliseconds, its difference, or why it is left out."""

    name: str
    milliseconds: Mapping[str, float]
    differences: Mapping[str, float]
    left_out: Mapping[str, str]

    def __str__(self) -> str:
        others = [f"{key} {shown(value)}" for key, value in self.milliseconds.items() if key != self.name]
        others += [f"{key} left out: {reason}" for key, reason in self.left_out.items()]
        beside = f" ({', '.join(others)})" if others else ""
        differs = self.differences.get(self.name, 0)
        exact = f", its logits differ by {differs:.0e} of their spread" if differs else ""
        return f"{self.name} is the fastest here: {shown(self.milliseconds[self.name])}{beside}{exact}"


def shown(milliseconds: float) -> str:
    """A time for people."""
    return f"{milliseconds:,.0f} ms" if milliseconds >= 100 else f"{milliseconds:.3g} ms"


@dataclass(frozen=True)
class Quickest(Generic[Way]):
    """The chosen way, ready, and what was measured. kept: whether an earlier measurement says so."""

    way: Way
    measured: Measured
    kept: bool


def quickest(
    makers: Mapping[str, Callable[[], Way]],
    ask: Callable[[Way], Float[np.ndarray, "..."]],
    about: Mapping[str, Any],
    tolerance: float = EXACT,
    clock: Callable[[], float] | None = None,
) -> Quickest[Way]:
    """The fastest way to compute something whose result is that of the first way, but for `tolerance`.

    makers: of each way, by name. One that raises ValueError is left out. ask: computes one example by a way. about:
    what the times depend on besides this machine and the versions: network, example, number of threads. tolerance: the
    largest difference, in standard deviations of the first way's result. clock: in seconds, by
    default that of the wall.
    """
    facts = {"ways": sorted(makers), "tolerance": tolerance, **machine(), **about}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    folder = cache_folder()
    file = None if folder is None else folder / f"{digest[:32]}.json"
    known = None if file is None else _kept(file, list(makers))
    if known is not None:
        with suppress(ValueError):
            return Quickest(makers[known.name](), known, kept=True)
    ways, left_out = dict[str, Way](), dict[str, str]()
    for name, make in makers.items():
        try:
            ways[name] = make()
        except ValueError as error:
            left_out[name] = one_line(error)[:120]
    measured = _measured(ways, ask, tolerance, left_out, clock)
    if file is not None:
        with suppress(OSError):  # a folder that cannot be written to: measured again next time
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(file, json.dumps({"about": facts, **vars(measured)}, indent=1, default=str).encode())
    return Quickest(ways[measured.name], measured, kept=False)


def _measured(
    ways: Mapping[str, Way],
    ask: Callable[[Way], np.ndarray],
    tolerance: float,
    left_out: dict[str, str],
    clock: Callable[[], float] | None,
) -> Measured:
    first, differences, exact = next(iter(ways)), dict[str, float](), dict[str, Way]()
    wanted = ask(ways[first])
    spread = max(float(wanted.std()), 1e-6)
    for name, way in ways.items():
        found = wanted if name == first else ask(way)
        differences[name] = 0.0 if name == first else float(np.abs(found - wanted).max()) / spread
        if differences[name] <= tolerance:
            exact[name] = way
        else:
            left_out[name] = f"its logits differ by {differences[name]:.0e} of their spread"
    found = milliseconds({name: lambda way=way: ask(way) for name, way in exact.items()}, clock)
    best = min(found, key=lambda name: found[name])
    return Measured(best if found[best] * GAIN < found[first] else first, found, differences, left_out)


def milliseconds(
    calls: Mapping[str, Callable[[], object]], clock: Callable[[], float] | None = None
) -> dict[str, float]:
    """The shortest time of each call. The calls are measured in turn, so that other programs disturb all alike."""
    found, begin, now = dict.fromkeys(calls, np.inf), time.perf_counter(), clock or time.perf_counter
    for call in calls.values():
        call()  # the first time includes what is prepared once
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = now()
            call()
            found[name] = min(found[name], 1000 * (now() - start))
        if time.perf_counter() - begin > SECONDS:
            break
    return found


def _kept(file: Path, names: list[str]) -> Measured | None:
    """What was measured earlier; None where there is nothing, or nothing that can be read."""
    try:
        known: Any = read_json(file)
        times = {name: float(value) for name, value in known["milliseconds"].items()}
        differences = {name: float(value) for name, value in known["differences"].items()}
        left_out = {name: str(reason) for name, reason in known["left_out"].items()}
        found = Measured(known["name"], times, differences, left_out)
        return found if found.name in names and found.name in times and min(times.values()) > 0 else None
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def cache_folder() -> Path | None:
    """The folder of what was measured, and of networks exported to be measured; None without a home folder."""
    cache = user_cache()
    return None if cache is None else cache / "engines"


@cache
def machine() -> dict[str, str]:
    """The processor, what the environment leaves of it, and the versions that times depend on."""
    limits = ", ".join(f"{name}={os.environ[name]}" for name in LIMITS if name in os.environ)
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return {"processor": _processor(), "limits": limits, "versions": versions}


def _processor() -> str:
    with suppress(OSError):
        lines = dict.fromkeys(Path("/proc/cpuinfo").read_text(errors="replace").splitlines())
        facts = [line for line in lines if line.startswith(("vendor_id", "cpu family", "model", "stepping", "flags"))]
        if facts:
            digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
            name = next((line.partition(":")[2].strip() for line in facts if line.startswith("model name")), "")
            return f"{name} ({digest}), {os.cpu_count()} cores"
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
