"""Which rows of a store are an engine's.

An engine is known by a hash of all that its numbers depend on. Version 0.1.0 left the model's
configuration out, so that its rows stand under a shorter name. An engine that can show that
nothing has changed since they came takes them over, and they are then found under both names;
otherwise they stay what they are, and what they answer is asked again.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache

from grace.store.database import Database
from grace.store.encode import encode_engine, to_json
from grace.types import UNCHANGED_SINCE, EngineInfo


def engine_hash(info: EngineInfo) -> bytes:
    """What an engine is known by. Its method belongs to each answer; its details are notes.

    Where nothing is known beside what 0.1.0 noted, the name is the one of 0.1.0.
    """
    known = (info.kind, info.version, info.model, info.revision, info.dtype)
    return _identity_hash(*known, *([info.config] if info.config else []))


@lru_cache(maxsize=64)
def _identity_hash(*identity: str) -> bytes:
    return hashlib.sha256(to_json(identity)).digest()


def engine_id(database: Database, name: bytes) -> int | None:
    """The number by which a store's rows refer to an engine, None where it has no rows."""
    found = database.rows("SELECT id FROM engines WHERE hash = ?", (name,)) or database.rows(
        "SELECT engine FROM aliases WHERE hash = ?", (name,)
    )
    return int(found[0][0]) if found else None


def adopt(database: Database, info: EngineInfo) -> bool:
    """Take over what 0.1.0 stored of an engine; False where there is none or it may not be.

    It may where the files behind `info.config` are older than the first of those answers: then
    the configuration was what it is now. To be called in a transaction.
    """
    since = info.details.get(UNCHANGED_SINCE)
    if not info.config or since is None:
        return False
    short, name = engine_hash(replace(info, config="")), engine_hash(info)
    found = database.rows("SELECT id FROM engines WHERE hash = ?", (short,))
    if not found:
        return False
    ((old,),) = found
    ((first,),) = database.rows("SELECT min(at) FROM answers WHERE engine = ?", (old,))
    if first is None or since >= first:
        return False
    own = engine_id(database, name)
    if own is None:
        row = (name, encode_engine(info), old)
        database.write("UPDATE engines SET hash = ?, info = ? WHERE id = ?", [row])
    else:
        _unite(database, own, old)
    database.write(
        "INSERT OR REPLACE INTO aliases (hash, engine) VALUES (?, ?)",
        [(short, old if own is None else own)],
    )
    return True


def _unite(database: Database, kept: int, other: int) -> None:
    """Bring an engine's rows to another's; an answer that is there already stays."""
    for table in ("answers", "failures"):
        move = f"UPDATE OR IGNORE {table} SET engine = ? WHERE engine = ?"  # noqa: S608
        database.write(move, [(kept, other)])
        database.write(f"DELETE FROM {table} WHERE engine = ?", [(other,)])  # noqa: S608
    database.write("DELETE FROM engines WHERE id = ?", [(other,)])
    database.write(
        "DELETE FROM failures WHERE engine = ? AND key IN "
        "(SELECT key FROM answers WHERE engine = ?)",
        [(kept, kept)],
    )
