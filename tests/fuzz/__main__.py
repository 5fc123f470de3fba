"""`python -m tests.fuzz --minutes 2`: mutates files of every format, guided by coverage, and counts faults by reader.

Needs `pip install atheris` (Linux). Each reader has a process of its own whose memory is limited. Inputs that break a
rule are left in the folder `--found`, one for each kind of fault.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from hashlib import sha1
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
LONGEST = 1 << 18  # bytes of an input


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("--minutes", type=float, default=2, help="for each reader")
    options.add_argument("--only", default="", help="readers whose name begins so")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--found", type=Path, default=Path("fuzz-found"))
    asked = options.parse_args()
    import atheris

    with atheris.instrument_imports(include=["kinegraph"], exclude=["kinegraph.data.formats.ntu_scan"]):  # for numba
        from tests.fuzz.readers import READERS

    asked.found.mkdir(parents=True, exist_ok=True)
    print(f"{'reader':<24}{'executions':>12}{'minutes':>9}{'faults':>8}", flush=True)
    faults = 0
    for name in filter(lambda name: name.startswith(asked.only), READERS):
        counted = asked.found / f"{name}.json"
        counted.unlink(missing_ok=True)
        if not (child := os.fork()):
            _fuzz(name, asked.minutes, asked.seed, asked.found)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        count = json.loads(counted.read_text()) if counted.is_file() else {"executions": 0, "minutes": 0, "faults": {}}
        if code := os.waitstatus_to_exitcode(status):
            count["faults"][f"the process ended with {code}"] = asked.found / f"{name}.log"
        faults += len(count["faults"])
        print(f"{name:<24}{count['executions']:>12,}{count['minutes']:>9.1f}{len(count['faults']):>8}", flush=True)
        for problem, file in count["faults"].items():
            print(f"    {problem}  ({file})", flush=True)
    return int(faults > 0)


def _fuzz(name: str, minutes: float, seed: int, found: Path) -> None:
    """One reader, for some minutes, in a process of its own, which this ends."""
    import atheris

    from tests.fuzz.judging import fault, install, limit_memory
    from tests.fuzz.readers import READERS, corpus

    reader, own = READERS[name], found / name.replace(" ", "_")
    own.mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="kinegraph-fuzz-"))
    with (found / f"{name}.log").open("w") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    inputs = scratch / "inputs"
    inputs.mkdir()
    known = [*reader.inputs(), *(file.read_bytes() for file in corpus(name))]
    for number, data in enumerate(known):
        (inputs / f"{number}").write_bytes(data)
        with suppress(Exception):  # so that what is imported or compiled late is there
            shutil.rmtree(scratch / "files", ignore_errors=True)
            (scratch / "files").mkdir()
            reader.read(scratch / "files", data)
    began, count = time.monotonic(), {"executions": 0, "minutes": 0.0, "faults": {}}

    def tell() -> None:
        count["minutes"] = (time.monotonic() - began) / 60
        (found / f"{name}.json").write_text(json.dumps(count, indent=1))

    def try_one(data: bytes) -> None:
        count["executions"] += 1
        if (problem := fault(reader.read, scratch / "files", data)) and problem not in count["faults"]:
            file = own / sha1(data).hexdigest()[:8]
            file.write_bytes(data)
            count["faults"][problem] = str(file)
            tell()
        elif count["executions"] % 100 == 0:
            tell()
            if count["minutes"] > minutes:
                shutil.rmtree(scratch)
                os._exit(0)

    install()
    limit_memory()
    words = [f"-seed={seed}", f"-max_len={LONGEST}", "-timeout=60", "-rss_limit_mb=0", str(inputs)]
    atheris.Setup([sys.argv[0], *words], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
