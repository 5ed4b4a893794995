"""What a run leaves in its folder: tables, codebook, manifest; all of it a view of the store."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from grace.asking import Clock, Ended, Job, Plan, QueryTable
from grace.config import Settings
from grace.errors import GraceError
from grace.runs.build_tables import build_tables
from grace.runs.manifest import make_manifest
from grace.store import Store
from grace.tables import UnwrittenError, write_json
from grace.types import Answer, EngineInfo

#: The report's name in a run's folder.
REPORT_FILE = "report.html"
#: Writes the report of a run that has its tables; why there is none, "" where nothing is wrong.
Reporter = Callable[[Settings, QueryTable, EngineInfo, Store, Ended], str]

log = logging.getLogger("grace")


def write_start(job: Job, plan: Plan, query_table: QueryTable, store: Store, clock: Clock) -> None:
    """Say in the folder what is being run, so that it is known however the run ends."""
    counts = count(query_table, store, plan.info)
    manifest = make_manifest(job, plan, counts=counts, seconds=clock.seconds, status="running")
    write_json(job.settings.folder / "manifest.json", manifest)


def write_results(
    job: Job,
    query_table: QueryTable,
    plan: Plan,
    store: Store,
    clock: Clock,
    ended: Ended,
    report: Reporter | None,
) -> dict[str, Any]:
    """Write tables, codebook, manifest and report; returns the manifest, and why no report."""
    broken: UnwrittenError | None = None
    with clock.time("tables"):
        try:
            rows = write_tables(job.settings.folder, job, query_table, plan.info, store)
        except UnwrittenError as error:
            rows, broken = error.rows, error
    counts = count(query_table, store, plan.info) | {"rows": rows}
    status = str(ended)
    if ended == "complete" and counts["failed"]:
        status = "failures"
    manifest = make_manifest(job, plan, counts=counts, seconds=clock.seconds, status=status)
    write_json(job.settings.folder / "manifest.json", manifest)
    log.info("%s: %s", status, {k: v for k, v in counts.items() if k != "failures"})
    if broken is not None:
        (job.settings.folder / REPORT_FILE).unlink(missing_ok=True)
        raise broken
    with clock.time("report"):
        no_report = report(job.settings, query_table, plan.info, store, ended) if report else ""
    return manifest | {"no_report": no_report}


def write_tables(
    folder: Path, job: Job, query_table: QueryTable, info: EngineInfo, store: Store
) -> dict[str, int]:
    """Write both tables and the codebook into a folder; returns each table's rows."""

    def look_up(keys: Sequence[str]) -> dict[str, Answer]:
        found: dict[str, Answer] = dict(store.failures(info, keys))
        return found | dict(store.answers(info, keys))

    chat = bool(info.details.get("chat", True))
    return build_tables(
        folder, job.settings, job.spec, job.stimuli, query_table, look_up, chat=chat
    )


def count(query_table: QueryTable, store: Store, info: EngineInfo) -> dict[str, Any]:
    """Answered, failed and unasked queries; a prompt two queries share counts for both."""
    answered = not_asked = 0
    reasons = Counter(failure.reason for failure in query_table.failures.values())
    for _, keys in query_table.chunks():
        asked = [key for key in keys if key]
        missing = store.missing(info, asked)
        failures = dict(store.failures(info, missing))
        answered += len(asked) - len(missing)
        not_asked += sum(key not in failures for key in missing)
        reasons.update(failures[key].reason for key in missing if key in failures)
    return {
        "answered": answered,
        "failed": reasons.total(),
        "not_asked": not_asked,
        "failures": dict(reasons.most_common()),
    }


class _QuietFile(logging.FileHandler):
    """A log that does without: a full disk is told once, by whoever needs it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say nothing."""


@contextlib.contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Write Grace's log to run.log in the run's folder."""
    try:
        handler = _QuietFile(folder / "run.log", encoding="utf-8")
    except OSError as error:
        raise GraceError(f"{folder}: cannot write results ({error.strerror})") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    except GraceError as error:
        log.error("%s", error)  # noqa: TRY400  (a user's error, no programmer's)
        raise
    finally:
        log.removeHandler(handler)
        handler.close()
