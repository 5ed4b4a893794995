"""The command that starts a model's server, with everything checked that can be before."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace.config import Settings
from grace.errors import ConfigError
from grace.serving import checks, machine
from grace.serving.arguments import (
    KNOWN_VERSION,
    MODULE,
    effective,
    known_options,
    model_source,
    served_name,
    telling,
    unknown_arguments,
    words,
    wrong_dtype,
)
from grace.serving.installed import Installed, ask, find_python

USUAL_PORT = 8000
NO_VLLM = (
    "no vLLM is installed: `pip install vllm` (a GPU), or `make setup-vllm` in a checkout "
    "(the CPU build, in .venv-vllm); serve.python=PATH names another Python that has it"
)


@dataclass(frozen=True)
class Launch:
    """How a server is started and where it will answer."""

    name: str
    version: str  # of vLLM; empty where none is installed
    command: tuple[str, ...]
    environment: Mapping[str, str]  # beside the caller's own; never a key
    url: str  # without /v1
    port: int
    log: Path
    served_as: str  # the name under which it serves the model
    telling: Mapping[str, Any]  # the arguments on which its numbers depend
    notes: tuple[str, ...]

    @property
    def line(self) -> str:
        """The command for a shell."""
        settings = (f"{name}={shlex.quote(value)}" for name, value in self.environment.items())
        return " ".join([*settings, shlex.join(self.command)])


def prepare(settings: Settings, *, any_port: bool = False, strict: bool = True) -> Launch:
    """Check arguments and machine and compose the command; ConfigError with all that is wrong.

    `any_port` takes a port of its own unless another than vLLM's usual one was asked for and is
    free: two servers that start at once must not choose the same. Without `strict` what this
    machine lacks (GPUs, vLLM, a token) is only noted: the command may be meant for another.
    """
    model = settings.model
    arguments = effective(settings, cpu=False)
    if wrong := wrong_dtype(model, arguments):
        raise ConfigError(wrong)
    host, port = _address(arguments, any_port=any_port)
    arguments |= {"port": port}
    source = model_source(model)
    python = find_python(settings.serve.python)
    installed = ask(python, words(source, arguments)) if python else None
    if problems := unknown(arguments, installed):
        raise ConfigError("; ".join(problems))
    cpu = installed is not None and installed.cpu
    cache = settings.serve.cpu_cache_gib
    lacking = [
        NO_VLLM if installed is None else None,
        checks.port_problem(host, port),
        checks.gated_problem(model),
        checks.memory_problem(model, arguments, machine.gpus(), cache if cpu else None),
    ]
    problems = [problem for problem in lacking if problem]
    if problems and strict:
        raise ConfigError("; ".join(problems))
    if cpu:
        arguments = effective(settings, cpu=True) | {"port": port}
        if not cache.is_integer() and "VLLM_CPU_KVCACHE_SPACE" not in os.environ:
            # vLLM reads its variable as a whole number, and ends where it is none.
            arguments = {"kv-cache-memory-bytes": int(cache * machine.GIB)} | arguments
    reached = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104
    return Launch(
        name=model.name,
        version=installed.version if installed else "",
        command=(python or "python", "-m", MODULE, *words(source, arguments)),
        environment=_environment(settings, arguments, cpu=cpu),
        url=f"http://{f'[{reached}]' if ':' in reached else reached}:{port}",
        port=port,
        log=Path(settings.serve.log or Path(settings.output) / "serve" / f"{model.name}.log"),
        served_as=served_name(arguments, source),
        telling=telling(arguments),
        notes=(*problems, *_open_to_others(host)),
    )


def _address(arguments: Mapping[str, Any], *, any_port: bool) -> tuple[str, int]:
    host, port = str(arguments.get("host", "127.0.0.1")), arguments.get("port", USUAL_PORT)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port < 65536:
        raise ConfigError(f"serve.args.port={port!r}: expected a number from 0 to 65535")
    own = any_port and (port == USUAL_PORT or not machine.port_is_free(host, port))
    if port == 0 or own:
        return host, machine.free_port(host)
    return host, port


def unknown(arguments: Mapping[str, Any], installed: Installed | None) -> list[str]:
    """A sentence for each argument that the vLLM there is, or the one known, does not take."""
    options = installed.options if installed else known_options()
    version = installed.version if installed else KNOWN_VERSION
    problems = unknown_arguments(list(arguments), options, version)
    if not problems and installed and installed.wrong:
        problems = [f"vLLM {version} refuses its arguments: {installed.wrong}"]
    return problems


def _environment(settings: Settings, arguments: Mapping[str, Any], *, cpu: bool) -> dict[str, str]:
    wanted = {"VLLM_NO_USAGE_STATS": "1"}
    if settings.model.path or settings.model.bundled:
        wanted["HF_HUB_OFFLINE"] = "1"
    if cpu and "kv-cache-memory-bytes" not in arguments:  # which the variable would outweigh
        wanted["VLLM_CPU_KVCACHE_SPACE"] = f"{settings.serve.cpu_cache_gib:g}"
    return {name: value for name, value in wanted.items() if name not in os.environ}


def _open_to_others(host: str) -> list[str]:
    if host in ("127.0.0.1", "localhost", "::1"):
        return []
    guard = "" if os.environ.get("GRACE_API_KEY") else "; set GRACE_API_KEY to ask for a key"
    return [f"the server listens on {host}, where others can reach it{guard}"]
