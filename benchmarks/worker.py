"""One way in a process of its own: goes when it is told, and says what it took.

    python -m benchmarks.worker WAY

Reads a setup as one line of JSON; then for every further line does one go and writes one line.
Its memory is its own, so that the peak beyond the weights can be told.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from benchmarks.ways import WAYS, Setup
from benchmarks.work import Work

STATUS = Path("/proc/self/status")


def memory(field: str) -> int | None:
    """VmRSS (now) or VmHWM (peak) in bytes, where the system tells."""
    if not STATUS.exists():
        return None
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def forget_peak() -> None:
    """Give back what is free, and let the peak start anew from what is in use now."""
    if STATUS.exists():
        with suppress(AttributeError):  # a C library other than GNU's
            ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    given = json.loads(sys.stdin.readline())
    work = Work.from_json(given.pop("work"))
    setup = Setup(**given | {"sample": tuple(given["sample"])}, work=work)
    way = WAYS[sys.argv[1]].make(setup)
    print(json.dumps({"ready": True}), file=out, flush=True)
    for _ in sys.stdin:
        forget_peak()
        before = memory("VmRSS")
        found = asdict(way.go())
        peak = memory("VmHWM")
        found["peak"] = None if peak is None or before is None else peak - before
        print(json.dumps(found), file=out, flush=True)


if __name__ == "__main__":
    main()
