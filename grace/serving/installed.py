"""The vLLM that is installed, in this Python or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grace.errors import ConfigError

#: An environment of its own, as `make setup-vllm` makes it.
OWN = Path(".venv-vllm") / "bin" / "python"
#: Seconds to import vLLM and ask it.
PATIENCE = 300


@dataclass(frozen=True)
class Installed:
    """A vLLM, and what it says of a command line."""

    python: str
    version: str
    device: str  # what it computes on: cuda, rocm, cpu, tpu, xpu
    options: frozenset[str]
    wrong: str  # its parser's complaint, or empty
    cuda: str = ""  # what it was built for: "12.8"; empty without

    @property
    def cpu(self) -> bool:
        """Whether it is a build for the CPU."""
        return self.device == "cpu"


def find_python(given: str | None) -> str | None:
    """The Python that has vLLM: the one given, this one, or that of .venv-vllm; else None."""
    if given is not None:
        path = Path(given).expanduser()
        if not path.is_file():
            raise ConfigError(f"serve.python={given}: no such file; expected a Python with vLLM")
        return str(path.absolute())  # not resolved: a link leads out of its environment
    places = (Path.cwd() / OWN, Path(__file__).parents[2] / OWN)
    own = [str(path) for path in places if path.is_file()]
    return sys.executable if _importable() else next(iter(own), None)


def _importable() -> bool:
    from importlib.util import find_spec

    return find_spec("vllm") is not None


def ask(python: str, line: Sequence[str]) -> Installed:
    """Ask that Python's vLLM what it is and whether it would take this command line."""
    script = Path(__file__).with_name("ask_vllm.py")
    environment = os.environ | {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
    try:
        done = subprocess.run(  # noqa: S603 our own script, by the user's own Python
            [python, str(script), *line],
            env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        found = json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{python} could not be asked for its vLLM: {error}") from error
    except (ValueError, IndexError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise ConfigError(f"{python} has no vLLM that works: {last}") from None
    return Installed(
        python,
        found["version"],
        found["device"],
        frozenset(found["options"]),
        found["wrong"],
        found.get("cuda") or "",
    )
