"""Files that are no store, older formats, file systems that cannot do everything."""

from __future__ import annotations

import os
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from grace.store import Store, StoreError
from grace.store import database as database_module
from grace.store.journal import mounted
from grace.store.schema import APPLICATION_ID, MIGRATIONS
from grace.types import Failure
from tests.store.answers import INFO, fill, scored, sentence


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


# What it refuses


def refuse_text(path: Path) -> None:
    path.write_text("row,answer\n1,yes\n" * 100)


def refuse_short(path: Path) -> None:
    path.write_bytes(b"x")


def refuse_folder(path: Path) -> None:
    path.mkdir()


def refuse_device(path: Path) -> None:
    os.mkfifo(path)


def refuse_other_database(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()


def refuse_newer(path: Path) -> None:
    fill(path, 1)
    run_sql(path, f"PRAGMA user_version={len(MIGRATIONS) + 1}")


def refuse_page_overwritten(path: Path) -> None:
    fill(path, 300)
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = random.Random(page).randbytes(64)
    path.write_bytes(content)


def refuse_cut_off(path: Path) -> None:
    fill(path, 300)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def refuse_destroyed_header(path: Path) -> None:
    fill(path, 3)
    path.write_bytes(bytes(100) + path.read_bytes()[100:])


def run_sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (refuse_text, "no answer store"),
        (refuse_short, "no answer store"),
        (refuse_folder, "is a file"),
        (refuse_device, "is a file"),
        (refuse_other_database, "no answer store"),
        (refuse_newer, "newer Grace"),
        (refuse_page_overwritten, "damaged"),
        (refuse_cut_off, "damaged"),
        (refuse_destroyed_header, "destroyed"),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_sound_store(path: Path, spoil: Any, told: str, read_only: bool) -> None:
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError) as error:
        Store.open(path, read_only=read_only)
    assert told in sentence(error, path)
    assert before is None or path.read_bytes() == before


def test_places_where_no_store_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "store", tmp_path / ("x" * 300)):
        with pytest.raises(StoreError) as error:
            Store.open(place)
        sentence(error, place)
    with pytest.raises(StoreError, match=r"a\\x00b"):
        Store.open("a\0b")
    for place in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(StoreError):
            Store.open(place, read_only=True)
    assert (tmp_path / "file").stat().st_size == 0


def test_a_store_in_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    odd = tmp_path / "new" / "a?b#c%20 d" / "é.sqlite"
    fill(odd, 2)
    assert [p.name for p in odd.parent.iterdir()] == [odd.name]  # and whole by itself


def test_damage_inside_an_answer(path: Path) -> None:
    first, second, third = fill(path, 3)
    run_sql(
        path,
        f"UPDATE answers SET content = x'789c00' WHERE key = '{first}'",
        f"UPDATE answers SET shape = x'00' WHERE key = '{second}'",
        f"UPDATE prompts SET context = (SELECT context FROM prompts WHERE key = '{first}') "
        f"WHERE key = '{third}'",
    )
    with Store.open(path) as store:
        for key in (first, second):
            with pytest.raises(StoreError, match="damaged") as error:
                list(store.answers(INFO, [key]))
            assert key in sentence(error, path)
        with pytest.raises(StoreError, match="damaged"):
            list(store.prompts([third]))
        assert len(list(store.answers(INFO, [third]))) == 1


def test_a_store_opened_for_reading_is_not_written(path: Path) -> None:
    keys = fill(path, 3)
    with Store.open(path, read_only=True) as store:
        with pytest.raises(StoreError, match="reading only"):
            store.add(INFO, *scored(9))
        with pytest.raises(StoreError, match="reading only"):
            store.fail(INFO, "key", Failure("why"))
        assert store.missing(INFO, keys) == []


# From one format to the next


def next_format(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE engines ADD COLUMN note TEXT")


def broken_format(connection: sqlite3.Connection) -> None:
    next_format(connection)
    raise RuntimeError("a mistake in a migration")


def test_an_older_store_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = fill(path, 5)
    with monkeypatch.context() as patch:
        patch.setattr(database_module, "MIGRATIONS", [*MIGRATIONS, broken_format])
        with pytest.raises(RuntimeError):
            Store.open(path)
    with Store.open(path) as store:  # as it was
        assert store.missing(INFO, keys) == []

    monkeypatch.setattr(database_module, "MIGRATIONS", [*MIGRATIONS, next_format])
    with pytest.raises(StoreError, match="older Grace"):
        Store.open(path, read_only=True)
    for _ in range(2):
        with Store.open(path) as store:
            assert store.missing(INFO, keys) == []
            assert store.database.rows("SELECT count(note) FROM engines") == [(0,)]
    with Store.open(path, read_only=True) as store:
        assert len(list(store.answers(INFO, keys))) == 5


def test_the_mark_of_a_store(path: Path) -> None:
    fill(path, 1)
    assert path.read_bytes()[68:72] == APPLICATION_ID.to_bytes(4, "big") == b"GRAC"


# File systems


MOUNTS = r"""
22 1 0:20 / / rw - ext4 /dev/vda rw
23 22 0:21 / /home rw shared:1 - nfs4 server:/home rw
24 23 0:22 / /home/ann/fast\040disk rw - xfs /dev/sdb rw
25 22 0:23 / /scratch rw - lustre mds:/scratch rw
26 22 0:24 / /scratch rw - tmpfs none rw
27 22 0:25 / /mnt/far rw - fuse.sshfs ann@far: rw
""".strip()


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/tmp/a", "ext4"),
        ("/home/ann/store", "nfs4"),
        ("/homes/store", "ext4"),
        ("/home/ann/fast disk/store", "xfs"),
        ("/scratch/store", "tmpfs"),
        ("/mnt/far/store", "fuse.sshfs"),
    ],
)
def test_which_file_system_a_path_is_on(place: str, kind: str) -> None:
    assert mounted(Path(place), MOUNTS) == kind


def test_a_rollback_journal_on_a_network_file_system(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = fill(path, 3)
    with Store.open(path) as store:
        assert store.journal == "wal"
    for system, journal in (("nfs4", "delete"), ("", "wal")):
        monkeypatch.setattr(database_module, "network_file_system", lambda _, s=system: s)
        with Store.open(path) as store:
            assert store.journal == journal
            assert store.missing(INFO, keys) == []
            store.add(INFO, *scored(len(keys)))
        keys.append(scored(len(keys))[0].key)


def test_a_rollback_journal_where_wal_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def without_shared_memory(address: str, **options: Any) -> Any:
        return connect(f"{address}&vfs=unix-dotfile", **options)

    monkeypatch.setattr(sqlite3, "connect", without_shared_memory)
    with Store.open(path) as store:
        assert store.journal == "delete"
        store.add(INFO, *scored(1))
    with Store.open(path, read_only=True) as store:
        assert store.counts(INFO).answers == 1
