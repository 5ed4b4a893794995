"""A store among processes: killed ones, rivals, full disks, folders of others."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grace.store import Store, StoreError
from tests.places import ROOT
from tests.store.answers import INFO, exact, fill, scored, sentence


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


# Other processes


def start(
    program: str, *arguments: object, before: tuple[object, ...] = (), **options: Any
) -> subprocess.Popen[str]:
    """Run a program that knows the store and our answers."""
    header = "import os, random, resource, sys, time\n"
    header += "from grace.store import Store, StoreError\n"
    header += "from tests.store.answers import INFO, scored\n"
    return subprocess.Popen(
        [*map(str, before), sys.executable, "-c", header + program, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def finish(process: subprocess.Popen[str]) -> str:
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told
    return told


ENDLESS = """
with Store.open(sys.argv[1]) as store:
    number = int(sys.argv[2])
    while True:
        for _ in range(random.randrange(1, 40)):
            store.add(INFO, *scored(number))
            number += 1
        store.flush()
        print(number, flush=True)
"""


def test_killed_at_any_moment(path: Path) -> None:
    """What was reported as committed is there, and what is there is a beginning of the whole."""
    moments = random.Random(3)
    keys: list[str] = []
    done = 0
    for _ in range(8):
        process = start(ENDLESS, path, done)
        assert process.stdout is not None
        reported = process.stdout.readline()  # it is under way
        time.sleep(moments.uniform(0, 0.15))
        process.kill()
        reported = (process.stdout.read().splitlines() or [reported])[-1]
        assert reported.strip().isdigit(), reported
        process.wait()
        process.stdout.close()
        if moments.random() < 0.5:  # a reader may be the first to come
            with Store.open(path, read_only=True) as store:
                assert store.counts(INFO).answers >= int(reported)
        with Store.open(path) as store:
            done = store.counts(INFO).answers
            assert done >= int(reported) > 0
            before = len(keys)
            pairs = [scored(n) for n in range(before, done)]
            keys += [prompt.key for prompt, _ in pairs]
            assert store.missing(INFO, keys) == []
            found = [answer for _, answer in store.answers(INFO, keys[before:])]
            assert exact(found) == exact([answer for _, answer in pairs])
            assert len(list(store.prompts(keys[before:]))) == len(pairs)


SHARE = """
name, first, last = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
numbers = list(range(first, last))
random.Random(name).shuffle(numbers)
with Store.open(sys.argv[1]) as store:
    for n in numbers:
        store.add(INFO, *scored(n, shift=-1e-9 * (name == "b")), seconds=float(name == "b"))
        if random.random() < 0.05:
            store.flush()
            list(store.answers(INFO, [scored(random.randrange(last))[0].key]))
"""


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_two_processes_at_once(path: Path, journal: str) -> None:
    program = SHARE
    if journal == "delete":
        program = (
            "import grace.store.database as d\nd.network_file_system = lambda _: 'nfs'\n" + SHARE
        )
    both = [start(program, path, "a", 0, 400), start(program, path, "b", 200, 600)]
    assert [finish(process) for process in both] == ["", ""]
    keys = [scored(n)[0].key for n in range(600)]
    with Store.open(path, read_only=True) as store:
        assert store.journal == journal
        records = list(store.records(INFO, keys))
    assert len(records) == 600
    for number, record in enumerate(records):
        shift = -1e-9 * (record.seconds == 1.0)  # each answer is whole: of one process or other
        assert exact(record.answer) == exact(scored(number, shift)[1])


HOLD = """
import sqlite3
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_store_that_another_process_keeps_locked(path: Path) -> None:
    fill(path, 1)
    holder = start(HOLD, path, stdin=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    with Store.open(path, patience=0.1) as store:
        store.add(INFO, *scored(1))
        with pytest.raises(StoreError, match="another process") as error:
            store.flush()
        sentence(error, path)
        finish(holder)
        assert store.flush() == 1
        assert store.counts(INFO).answers == 2


def test_a_store_that_is_moved_away(path: Path) -> None:
    fill(path, 2)
    with Store.open(path) as store:
        store.add(INFO, *scored(2))
        away = path.rename(path.with_name("away"))
        with pytest.raises(StoreError, match="moved or deleted") as error:
            store.flush()
        sentence(error, path)
        away.rename(path)
        assert store.flush() == 1


def test_a_process_that_goes_elsewhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    with Store.open(path.name) as store:
        monkeypatch.chdir(ROOT)
        store.add(INFO, *scored(1))
    with Store.open(path, read_only=True) as store:
        assert store.counts(INFO).answers == 1


def test_the_first_error_is_the_one_that_is_told(path: Path) -> None:
    fill(path, 1)
    store = Store.open(path)
    store.add(INFO, *scored(2))
    path.unlink()
    with pytest.raises(KeyboardInterrupt) as error, store:
        raise KeyboardInterrupt
    assert "moved or deleted" in error.value.__notes__[0]


# The disk


FILL_UP = """
def keep_adding(store, first):
    for number in range(first, 100_000):
        store.add(INFO, *scored(number))
        if number % 20 == 0:
            store.flush()

def check(path):
    with Store.open(path, read_only=True) as store:
        count = store.counts(INFO).answers
        keys = [scored(n)[0].key for n in range(count)]
        assert len(list(store.answers(INFO, keys))) == count
        return count

def run(path, make_room):
    with Store.open(path) as store:
        try:
            keep_adding(store, 0)
        except StoreError as error:
            print(error)
        before = check(path)
        try:
            store.flush()
        except StoreError:
            pass
        make_room()
        waiting = store.flush()
        assert waiting > 0, "what could not be written still waits"
        store.add(INFO, *scored(before + waiting))
    assert check(path) == before + waiting + 1
"""


def test_a_file_that_may_not_grow(path: Path) -> None:
    limit = """
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, unlimited[1]))
run(sys.argv[1], lambda: resource.setrlimit(resource.RLIMIT_FSIZE, unlimited))
"""
    (told,) = finish(start(FILL_UP + limit, path)).splitlines()
    assert told.startswith(f"{path}: the disk refuses")


def test_a_full_disk(tmp_path: Path) -> None:
    small = 'mount -t tmpfs -o size=600k none "$0" && exec "$@"'
    within = ("unshare", "--mount", "--map-root-user", "sh", "-c", small, tmp_path)
    try:
        subprocess.run([*map(str, within), "true"], check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("no file system can be mounted here")
    program = """
from pathlib import Path
from tests.places import ROOT
folder = Path(sys.argv[1])
ballast = folder / "ballast"
ballast.write_bytes(bytes(200_000))
run(folder / "answers.sqlite", ballast.unlink)
"""
    (told,) = finish(start(FILL_UP + program, tmp_path, before=within)).splitlines()
    assert told.startswith(f"{tmp_path / 'answers.sqlite'}: the disk is full")


# Permissions


def seen_by_all(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.resolve().parents))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can see; what pytest gives is private, and TMPDIR may be."""
    place = next(p for p in (Path(tempfile.gettempdir()), Path("/tmp")) if seen_by_all(p))
    with tempfile.TemporaryDirectory(dir=place) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


NOBODY = """
if os.getuid() == 0:  # who may do anything
    os.setgid(65534)
    os.setuid(65534)

def attempt(action):
    try:
        print(action(), flush=True)
    except StoreError as error:
        print(error, flush=True)
"""


def test_a_folder_that_cannot_be_written_to(open_folder: Path) -> None:
    path, new = open_folder / "answers.sqlite", open_folder / "new.sqlite"
    fill(path, 3)
    path.chmod(0o644)
    open_folder.chmod(0o555)
    program = """
path, new = sys.argv[1:]
attempt(lambda: Store.open(new))
if not os.access(path, os.W_OK):
    attempt(lambda: Store.open(path))
store = Store.open(path, read_only=True)
attempt(lambda: store.counts(INFO).answers)
def count():
    with Store.open(path, read_only=True) as other:
        return other.counts(INFO).answers

for _ in range(2):
    sys.stdin.readline()
    attempt(count)
sys.stdin.readline()
attempt(lambda: store.counts(INFO).answers)
"""
    process = start(NOBODY + program, path, new, stdin=subprocess.PIPE)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(2 + (os.getuid() == 0))]
    assert told[-1] == "3\n"
    assert all(str(open_folder) in line and "permission" in line for line in told[:-1])

    def tell() -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        return process.stdout.readline()

    open_folder.chmod(0o755)
    with Store.open(path) as store:
        store.add(INFO, *scored(4))
        store.flush()
        open_folder.chmod(0o555)
        assert tell() == "4\n"
        path.with_name(f"{path.name}-wal").chmod(0)
        assert "needs permission" in tell()
        open_folder.chmod(0o755)
    assert "being written" in tell()
    finish(process)
