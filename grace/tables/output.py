"""Files that are written side by side: what goes wrong with one costs none of the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from grace.config import one_line
from grace.errors import GraceError
from grace.tables.block import Block
from grace.tables.columns import Column
from grace.tables.write import Rows, TableWriter, unwritten, writing

log = logging.getLogger("grace")


class UnwrittenError(GraceError):
    """Some of a run's files could not be written; `rows` are those of the tables that were."""

    def __init__(self, message: str, rows: Mapping[str, int]) -> None:
        super().__init__(message)
        self.rows = dict(rows)


class Problems:
    """What could not be written into a folder, and why."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.found: dict[str, Exception] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Note what goes wrong in the block, which writes the file of this name."""
        try:
            yield
        except (GraceError, OSError) as error:  # of the disk, and not of the answers
            told = error if isinstance(error, GraceError) else unwritten(self._folder / name, error)
            log.info("%s", told)
            self.found[name] = told
        except Exception as error:
            # For run.log: a command that keeps none has nothing to show but the sentence.
            log.info("%s could not be written", name, exc_info=error)
            self.found[name] = error

    @property
    def sentence(self) -> str:
        """All of it for the user."""
        errors = list(self.found.values())
        if all(isinstance(error, GraceError) for error in errors):
            return str(errors[0])  # a full disk, a folder that is read-only: it says what to do
        error = next(error for error in errors if not isinstance(error, GraceError))
        return (
            f"{self._folder}: {' and '.join(self.found)} could not be written "
            f"({type(error).__name__}: {one_line(str(error), 200)}); what else a run leaves is "
            "there, every answer is in the store, and run.log says more: the same command again "
            "writes the rest without asking anything"
        )


class Output:
    """A table that is given blocks; after something went wrong it takes no more of them."""

    def __init__(
        self, stem: Path, columns: Sequence[Column], rows: Callable[[Block], Rows]
    ) -> None:
        self._stem, self._columns, self._rows = stem, columns, rows
        self._stack = ExitStack()
        self._writer: TableWriter | None = None
        self._problems: Problems | None = None
        self.count = 0

    @contextmanager
    def open(self, problems: Problems) -> Iterator[None]:
        """Write into a temporary file, which takes its place when the block ends well."""
        self._problems = problems
        with problems.of(self._stem.name):
            self._writer = self._stack.enter_context(writing(self._stem, self._columns))
        try:
            yield
        except BaseException:  # the answers cannot be had: half a table is none
            self._stop(GraceError("no more rows"))
            raise
        if self._writer is not None:
            with problems.of(self._stem.name):
                self._stack.close()
        error = problems.found.get(self._stem.name)
        if error and not isinstance(error, GraceError):  # those there are of other answers
            for ending in (".csv", ".parquet"):
                self._stem.with_suffix(ending).unlink(missing_ok=True)

    def add(self, block: Block) -> None:
        """Write a block's rows."""
        if self._writer is None or self._problems is None:
            return
        with self._problems.of(self._stem.name):
            self._writer.add(self._rows(block))
            self.count = self._writer.count
        if error := self._problems.found.get(self._stem.name):
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        """Leave the half-written file as if the error had come through it: it is taken away."""
        self.count, self._writer = 0, None
        with suppress(Exception):  # closing half a file may fail as well
            self._stack.__exit__(type(error), error, error.__traceback__)
