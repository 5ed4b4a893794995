"""The reports that runs write by themselves, and that cost them nothing where they fail."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

from grace.asking import Ended, QueryTable
from grace.config import Settings
from grace.errors import GraceError
from grace.runs import REPORT_FILE
from grace.store import Store
from grace.types import EngineInfo

log = logging.getLogger("grace")


def report_run(
    settings: Settings, query_table: QueryTable, info: EngineInfo, store: Store, ended: Ended
) -> str:
    """Write the report of a run that has just written its tables; why not, if it cannot be.

    Whatever goes wrong here, the results are there and stay. A run that is told to stop has no
    time for it. A report of other results than the tables' is taken away.
    """
    folder = settings.folder
    try:
        (folder / REPORT_FILE).unlink(missing_ok=True)
        if not settings.report:
            return ""
        if ended == "interrupted":
            return f"the run was interrupted; python -m grace.report {folder} writes it"
        start = time.perf_counter()
        from grace.report.write import write_report

        write_report(folder, query_table, info, store)
        log.info("%s: %.1f s", REPORT_FILE, time.perf_counter() - start)
    except Exception as error:  # a report is never worth a run
        log.warning("no %s", REPORT_FILE, exc_info=True)
        return f"{type(error).__name__}: {error}; run.log says more"
    return ""


def report_over_all(finished: Sequence[Settings]) -> str | None:
    """Write one report over a sweep's runs, where two or more have one of their own."""
    folders = dict.fromkeys(
        one.folder for one in finished if one.report and not one.dry_run and not one.shard
    )
    if len(folders) < 2:
        return None
    from grace.report.write import report_folders

    place = Path(os.path.commonpath(list(folders))) / REPORT_FILE
    try:
        return f"One report over all: {report_folders(list(folders), place)}"
    except GraceError as error:
        return f"No report over all: {error}"
