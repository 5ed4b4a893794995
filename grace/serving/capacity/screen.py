"""The report of grace.capacity on the screen and in capacity.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from grace.config import CapacitySettings
from grace.errors import ConfigError

#: Column headings, and how each is written.
_COLUMNS = (
    ("cards", "tp", "{}"),
    ("weights", "weights_gib", "{:.2f}"),
    ("KV cache", "kv_gib", "{:.2f}"),
    ("B/token", "bytes_per_token", "{:,.0f}"),
    ("blocks", "blocks", "{:,}"),
    ("tokens", "tokens", "{:,}"),
    ("at once", "concurrency", "{:.1f}"),
    ("verdict", "verdict", "{}"),
)


#: Endings of files of other kinds, of which a folder would be made.
_OTHER_FILES = (".txt", ".csv", ".tsv", ".yaml", ".yml", ".html", ".md", ".jsonl", ".log",
                ".parquet", ".xlsx", ".pdf")  # fmt: skip


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print what was found, in one table and a few lines."""
    say = _Say(console)
    rows = found["rows"]
    quantised = f", {found['quantization']}" if found["quantization"] else ""
    length = rows[0]["max_length"] if rows else 0
    say(f"{found['model']} in {found['dtype']}{quantised} on {found['gpu']} "
        f"({found['gpu_gib']:.2f} GiB, of which {found['utilisation']:.0%} are used), requests of "
        f"up to {length:,} tokens")  # fmt: skip
    console.print(_table(rows))
    overhead = f" besides {rows[0]['overhead_gib']:g} GiB of overhead" if rows else ""
    say(f"(weights, KV cache: GiB of each card{overhead}; tokens: of all cards together)")
    for r in rows:
        if r["why"]:
            say(f"{r['tp']}: {r['why']}.")
        elif r["tokens_low"] != r["tokens_high"]:
            say(f"{r['tp']}: {r['tokens_low']:,} to {r['tokens_high']:,} tokens, if the overhead "
                "is 1 GiB more or less.")  # fmt: skip
    for variant in found["variants"]:
        say(f"{variant['quantization']} on {variant['tp']}: {variant['weights_gib']:.2f} GiB of "
            f"weights, {variant['tokens']:,} tokens: {variant['verdict']}")  # fmt: skip
    _show_smallest(found["smallest"], say)
    _show_server(found["server"], say)
    if work := found.get("workload"):
        for line in work["lines"]:
            say(line)
    for note in found["notes"]:
        say(f"Note: {note}.")


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading, name, _ in _COLUMNS:
        table.add_column(heading, justify="left" if name == "verdict" else "right", no_wrap=True)
    for r in rows:
        table.add_row(*(form.format(r[name]) for _, name, form in _COLUMNS))
    return table


def _show_smallest(smallest: Mapping[str, Any] | None, say: _Say) -> None:
    if smallest is None:
        say("No set of up to 8 cards of the table is enough.")
        return
    how = "fits" if smallest["verdict"] == "fits" else "is tight"
    say(f"The smallest set on which it {how}: {smallest['count']} × {smallest['gpu']} "
        f"({smallest['gib']:.0f} GiB)")  # fmt: skip


def _show_server(server: Mapping[str, Any] | None, say: _Say) -> None:
    if server is None:
        return
    if "problem" in server:
        say(f"The server at {server['url']}: {server['problem']}.")
        return
    said = f"The server at {server['url']} has {server['blocks']:,} blocks"
    if server.get("tokens") is not None:
        said += f", {server['tokens']:,} tokens, {server['concurrency']:.2f} requests at once"
    say(said + (f" ({server['difference']})" if server.get("difference") else ""))


class _Say:
    """Lines as they are, without markup or wrapping."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __call__(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def write(found: Mapping[str, Any], settings: CapacitySettings) -> Path:
    """Write capacity.json; returns its path. ConfigError where it cannot be written."""
    output = Path(settings.output)
    if output.suffix.lower() in _OTHER_FILES:
        raise ConfigError(f"output={output}: expected a folder, or a file whose name ends in .json")
    path = output if output.suffix == ".json" else output / settings.model.name / "capacity.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.part")
        beside.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}); expected output=FOLDER"
        ) from error
    return path
