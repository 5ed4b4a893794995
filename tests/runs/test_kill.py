"""Runs that are killed lose nothing and ask nothing twice; a folder holds one run."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import grace
from tests.runs.test_run import model, run

Tiny = Callable[[str], Path]
#: So small that each query is a batch of its own.
SLOW = "engine.max_batch_tokens=16"
#: Runs grace.run, and notes the key of every prompt the engine begins to compute.
NOTING = """
import os, runpy, sys, time
from grace.engines.local.engine import LocalEngine
compute = LocalEngine._answer_batch
log = os.open(os.environ["ASKED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def noting(self, batch):
    os.write(log, "".join(f"{prompt.key}\\n" for prompt in batch).encode())
    time.sleep(float(os.environ["SLEEP"]))
    return compute(self, batch)
LocalEngine._answer_batch = noting
sys.argv[0] = "grace.run"
runpy.run_module("grace.run", run_name="__main__")
"""


def noting(*words: str, cwd: Path, pause: float = 0.1) -> subprocess.Popen[str]:
    """A run that is slow enough to be killed: a pause before each batch, in seconds."""
    return subprocess.Popen(
        [sys.executable, "-c", NOTING, *words], cwd=cwd, text=True, start_new_session=True,
        env=os.environ | {"ASKED": str(cwd / "asked"), "SLEEP": str(pause)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def asked(cwd: Path) -> list[str]:
    path = cwd / "asked"
    return path.read_text().split() if path.exists() else []


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.full)])
def test_many_kills_change_nothing(kills: int, tiny: Tiny, tmp_path: Path) -> None:
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    calm.mkdir()
    killed.mkdir()
    words = (SLOW, *model(tiny("llama-byte")))
    run(*words, cwd=calm)
    moments = random.Random(4)
    total = grace.load(calm / "outputs/1/2/tiny").manifest["plan"]["queries"]
    for i in range(kills):
        process = noting(*words, cwd=killed)
        if i % 3 == 0:  # while it starts, plans or has just begun
            time.sleep(moments.random() * 4)
        else:  # after some answers
            wanted = len(asked(killed)) + moments.randrange(total // kills + 2)
            while process.poll() is None and len(asked(killed)) <= wanted:
                time.sleep(moments.random() * 0.01)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output = process.communicate()[0]
        assert process.returncode == -signal.SIGKILL, f"kill {i} came too late\n{output}"
    last = noting(*words, cwd=killed, pause=0)
    output = last.communicate(timeout=120)[0]
    assert last.returncode == 0, output
    for name in ("trials.csv", "responses.csv"):
        path = f"outputs/1/2/tiny/{name}"
        assert (killed / path).read_bytes() == (calm / path).read_bytes()
    times = Counter(asked(killed))
    assert len(times) == total
    # In flight when a kill came: one being computed, one on its way to the disk.
    assert sum(times.values()) - total <= 2 * kills
    assert max(times.values()) <= max(3, kills / 2 - 1)
    assert not any(".partial" in path.name for path in (killed / "outputs/1/2/tiny").iterdir())


def test_a_finished_run_loads_no_engine(tiny: Tiny, tmp_path: Path) -> None:
    words = model(tiny("llama-byte"))
    run(*words, cwd=tmp_path)
    folder = tmp_path / "outputs/1/2/tiny"
    before = {p.name: p.read_bytes() for p in folder.glob("*.csv")}
    look = (
        "import sys, atexit\nimport grace.run as r\nfrom grace.config.command_line import main\n"
        "atexit.register(lambda: print('LOADED', {'torch', 'transformers'} & {*sys.modules}))\n"
        "main(r.job)"
    )
    done = subprocess.run(
        [sys.executable, "-c", look, *words], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert "LOADED set()" in done.stdout
    assert "240 answered before" in done.stdout
    assert {p.name: p.read_bytes() for p in folder.glob("*.csv")} == before
    assert grace.load(folder).manifest["status"] == "complete"
    assert grace.load(folder).manifest["engine"]["details"]["way"]


def test_other_settings_are_refused_in_the_same_folder(tiny: Tiny, tmp_path: Path) -> None:
    words = ("pilot=4", *model(tiny("llama-byte")))
    run(*words, cwd=tmp_path)
    refused = run(*words, "exp.low_mass=0.2", "seed=3", cwd=tmp_path, code=1)
    assert "exp.low_mass: 0.1 → 0.2" in refused
    assert "seed: 0 → 3" in refused
    assert "tag=NAME" in refused
    run(*words, "exp.low_mass=0.2", "tag=other", cwd=tmp_path)
    run(*words, SLOW, "max_failures=7", cwd=tmp_path)  # which changes no answer
    grown = run("pilot=8", *model(tiny("llama-byte")), cwd=tmp_path)
    assert "20 answered before" in grown
    smaller = run(*words, cwd=tmp_path, code=1)
    assert "pilot: 8 → 4" in smaller
    run(*words, "overwrite=true", cwd=tmp_path)
    assert len(grace.load(tmp_path / "outputs/1/2/tiny").trials) == 4


def test_a_second_run_is_refused_with_the_owner(tiny: Tiny, tmp_path: Path) -> None:
    words = ("study=2", SLOW, *model(tiny("llama-byte")))
    first = noting(*words, cwd=tmp_path)
    while not asked(tmp_path):
        time.sleep(0.05)
    output = run(*words, cwd=tmp_path, code=1)
    assert f"process {first.pid} on" in output
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    again = run(*words, "seed=1", cwd=tmp_path, code=1)
    assert "taken over from a run that is gone" in again
    assert "seed: 0 → 1" in again  # the killed run has said what it was


@pytest.mark.parametrize(("signals", "seconds"), [("IT", 20), ("II", 20), ("T", 25)])
@pytest.mark.full
def test_interrupted_while_an_answer_takes_minutes(
    signals: str, seconds: float, tiny: Tiny, tmp_path: Path
) -> None:
    process = noting(SLOW, "pilot=6", *model(tiny("llama-byte")), cwd=tmp_path, pause=120)
    while not asked(tmp_path):
        time.sleep(0.05)
    start = time.monotonic()
    for letter in signals:
        process.send_signal({"I": signal.SIGINT, "T": signal.SIGTERM}[letter])
        time.sleep(0.3)
    output = process.communicate(timeout=30)[0]
    assert time.monotonic() - start < seconds
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "Run the same command again" in output
    manifest = json.loads((tmp_path / "outputs/1/2/tiny/manifest.json").read_text())
    assert manifest["status"] == ("interrupted" if signals == "T" else "running")
    run(SLOW, "pilot=6", *model(tiny("llama-byte")), cwd=tmp_path)


def test_shards_join(tiny: Tiny, tmp_path: Path) -> None:
    words = (SLOW, "pilot=6", *model(tiny("llama-byte")))
    run(*words, "output=whole", cwd=tmp_path)
    for k in (1, 2, 3):
        output = run(*words, f"shard={k}/3", cwd=tmp_path)
        assert "20 left to other shards" in output
        part = grace.load(tmp_path / f"outputs/1/2/tiny-shard{k}of3")
        assert part.manifest["counts"]["answered"] == 10
        assert part.responses["flags"].str.contains("not_asked").any()
    stores = [f"outputs/answers-shard{k}of3.sqlite" for k in (1, 2, 3)]
    merged = run("outputs/answers.sqlite", *stores, cwd=tmp_path, module="grace.merge")
    assert "30 answers" in merged
    run(*words, cwd=tmp_path)
    for name in ("trials.csv", "responses.csv"):
        joined = (tmp_path / "outputs/1/2/tiny" / name).read_bytes()
        assert joined == (tmp_path / "whole/1/2/tiny" / name).read_bytes()


def test_the_tables_are_rebuilt_from_the_store(tiny: Tiny, tmp_path: Path) -> None:
    run("pilot=6", *model(tiny("llama-byte")), cwd=tmp_path)
    folder = tmp_path / "outputs/1/2/tiny"
    before = {p.name: p.read_bytes() for p in folder.iterdir() if "manifest" not in p.name}
    for name in ("trials.csv", "trials.parquet", "responses.csv", "responses.parquet"):
        (folder / name).unlink()
    output = run(str(folder), cwd=tmp_path, module="grace.tables")
    assert "trials.csv" in output
    after = {p.name: p.read_bytes() for p in folder.iterdir() if "manifest" not in p.name}
    assert {n for n in before if before[n] != after.get(n)} <= {"run.log"}
    assert json.loads((folder / "manifest.json").read_text())["status"] == "complete"


def test_verify_says_what_is_the_same_and_what_is_not(tiny: Tiny, tmp_path: Path) -> None:
    run("pilot=12", *model(tiny("llama-byte")), cwd=tmp_path)
    folder = tmp_path / "outputs/1/2/tiny"
    good = run(str(folder), cwd=tmp_path, module="grace.verify")
    assert "is reproducible" in good
    assert "largest difference of a log-probability" in good
    path = folder / "trials.csv"
    path.write_text(path.read_text().replace("0.25", "0.26", 1))
    bad = run(str(folder), cwd=tmp_path, module="grace.verify", code=1)
    assert "trials.csv differs from the store in line 2" in bad
    assert "is not reproducible here, by: tables" in bad
