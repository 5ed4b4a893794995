"""`python -m grace.tables RUN`: write a run's tables again from its store, with no engine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from grace.config import OK, one_run, plain_main
from grace.config.manual.commands import TABLES


def rebuild(words: Sequence[str]) -> int:
    """Write tables and codebook of what the store holds; returns the exit code."""
    folder, _ = one_run(words, TABLES)
    from grace.runs import RunLock, recall_plan, reopen, run_log, write_tables
    from grace.runs.outputs import count
    from grace.store import Store
    from grace.tables.write import write_json

    run = reopen(folder)
    plan = recall_plan(run)
    with (
        RunLock(run.folder), run_log(run.folder), Store.open(run.store, read_only=True) as store,
    ):  # fmt: skip
        rows = write_tables(run.folder, run.job, plan.query_table, plan.info, store)
        counts = count(plan.query_table, store, plan.info) | {"rows": rows}
    status = run.manifest["status"]
    if status == "running":  # it was killed
        status = "interrupted" if counts["not_asked"] else "complete"
        status = "failures" if counts["failed"] and not counts["not_asked"] else status
    written = datetime.now(UTC).isoformat(timespec="seconds")
    changed = {"status": status, "written": written, "counts": counts}
    write_json(run.folder / "manifest.json", dict(run.manifest) | changed)
    for name, number in rows.items():
        print(f"{run.folder / name}.csv, .parquet: {number:,} rows")
    left = counts["failed"] + counts["not_asked"]
    if left:
        print(f"{left:,} queries have no answer yet; their cells are missing.")
    return OK


if __name__ == "__main__":
    plain_main(rebuild)
