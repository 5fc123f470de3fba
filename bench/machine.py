"""What a table was measured on."""

import datetime
import os
import platform
import re
from pathlib import Path

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def description(versions: dict[str, str]) -> list[str]:
    """Lines for people: processor, what it can do, memory, load, GPU, versions, date."""
    import torch

    cpuinfo = _read("/proc/cpuinfo")
    name = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    flags = set(re.search(r"flags\s*:\s*(.+)", cpuinfo)[1].split()) if "flags" in cpuinfo else set()
    memory = re.search(r"MemTotal:\s*(\d+)", _read("/proc/meminfo"))
    can = ", ".join(f"{flag} {'yes' if flag in flags else 'no'}" for flag in FLAGS)
    lines = [
        f"processor: {name[1] if name else platform.processor() or platform.machine()}, {os.cpu_count()} cores, {can}",
        f"memory: {int(memory[1]) / 2**20:.0f} GiB" if memory else "memory: not known",
        f"load average at the start: {os.getloadavg()[0]:.1f} (other programs' work)",
    ]
    if torch.cuda.is_available():
        lines.append(f"GPU: {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}")
    told = {"python": platform.python_version()} | versions
    lines.append("versions: " + ", ".join(f"{name} {version}" for name, version in told.items()))
    return [*lines, f"date: {datetime.date.today()}"]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # not Linux
        return ""
