"""`python -m grace.report RUN [RUN…]`: one page about one or more runs, for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grace.config import OK, plain_main, read_words
from grace.config.folder_arguments import shared_folder
from grace.config.manual.commands import REPORT
from grace.errors import ConfigError


def report(words: Sequence[str]) -> int:
    """Write the page and say where it is; returns the exit code."""
    runs, settings = read_words(words, REPORT)
    if "output" in settings and not settings["output"].endswith(".html"):
        raise ConfigError(f"output={settings['output']}: expected a name that ends in .html")
    from grace.report.write import report_folders

    print(report_folders(runs, _output(runs, settings), settings.get("style") or None))
    return OK


def _output(runs: Sequence[Path], settings: dict[str, str]) -> Path:
    """The file asked for, or report.html in the run's folder or in the one all runs are in."""
    if "output" in settings:
        return Path(settings["output"])
    from grace.runs import REPORT_FILE

    if len(runs) == 1:
        return runs[0] / REPORT_FILE
    return shared_folder(runs, "output=FILE.html") / REPORT_FILE


if __name__ == "__main__":
    plain_main(report)
