"""The report of a run: one HTML file that says what was asked, what came out, what to doubt."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grace.asking.ask import Ended
    from grace.asking.query_table import Sheet
    from grace.config.settings import Settings
    from grace.store import Store
    from grace.types import EngineInfo

NAME = "report.html"
log = logging.getLogger("grace")


def report_run(
    settings: Settings, sheet: Sheet, info: EngineInfo, store: Store, ended: Ended
) -> str:
    """Write the report of a run that has just written its tables; why not, if it cannot be.

    Whatever goes wrong here, the results are there and stay. A run that is told to stop has no
    time for it. A report of other results than the tables' is taken away.
    """
    folder = settings.folder
    try:
        (folder / NAME).unlink(missing_ok=True)
        if not settings.report:
            return ""
        if ended == "interrupted":
            return f"the run was interrupted; python -m grace.report {folder} writes it"
        start = time.perf_counter()
        from grace.report.write import write_report

        write_report(folder, sheet, info, store)
        log.info("%s: %.1f s", NAME, time.perf_counter() - start)
    except Exception as error:  # a report is never worth a run
        log.warning("no %s", NAME, exc_info=True)
        return f"{type(error).__name__}: {error}; run.log says more"
    return ""
