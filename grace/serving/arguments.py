"""From settings to vLLM's command line, and what is wrong with it before vLLM is asked."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from grace.config import ModelSettings, Settings
from grace.config.settings import BUNDLED
from grace.errors import ConfigError

#: How vLLM's server is started; its `vllm` command does not exist in every build.
MODULE = "vllm.entrypoints.openai.api_server"
#: The names of the arguments of one version, for where no vLLM is installed.
KNOWN_VERSION = "0.32"
KNOWN = Path(__file__).with_name("vllm-0.32-arguments.txt")

_GEMMA_2 = re.compile(r"gemma-?2-\d+b", re.IGNORECASE)


def model_source(model: ModelSettings) -> str:
    """What vLLM is to load: a folder of this machine, or a Hugging Face id."""
    if model.path:
        return str(Path(model.path).expanduser().resolve())
    if model.bundled:
        from grace.engines.local.bundled import bundled_model

        return str(bundled_model()[0])
    return model.id


def effective(settings: Settings, *, cpu: bool) -> dict[str, Any]:
    """Arguments of vLLM by name: those for the CPU, then all others, which outweigh them."""
    given = {name: value for name, value in settings.serve.args.items() if value is not None}
    if "api-key" in given:
        raise ConfigError(
            "serve.args.api-key: a key on a command line is seen by everyone on the machine; "
            "expected it in the environment variable GRACE_API_KEY"
        )
    # Composed for the bundled model, whose place a folder may have taken meanwhile.
    if given.get("served-model-name") == BUNDLED:
        given["served-model-name"] = settings.model.name
    return (_cpu_args(settings) if cpu else {}) | given


#: Grace's block on the CPU (conf/serve/vllm.yaml), which is for models without states.
CPU_BLOCK = 32


def _cpu_args(settings: Settings) -> dict[str, Any]:
    """The CPU's arguments; its small block helps nothing where a state decides how long one is."""
    arguments = dict(settings.serve.cpu_args)
    if arguments.get("block-size") == CPU_BLOCK and _has_states(settings.model):
        del arguments["block-size"]
    return arguments


def _has_states(model: ModelSettings) -> bool:
    from grace.serving.capacity.architecture import read_architecture

    try:
        return bool({"mamba", "linear"} & set(read_architecture(model).layers))
    except ConfigError:
        return False


#: Arguments that say where and how fast, and leave every number as it is.
SILENT = frozenset(
    {
        "served-model-name",
        "host",
        "port",
        "max-model-len",
        "max-num-seqs",
        "max-num-batched-tokens",
        "gpu-memory-utilization",
        "kv-cache-memory-bytes",
        "block-size",
        "max-logprobs",
        "generation-config",
        "revision",
        "tensor-parallel-size",
        "pipeline-parallel-size",
        "data-parallel-size",
        "enforce-eager",
        "enable-prefix-caching",
        "enable-chunked-prefill",
        "disable-log-requests",
        "disable-log-stats",
        "uvicorn-log-level",
        "download-dir",
        "load-format",
        "swap-space",
        "enable-log-requests",
    }
)


def telling(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments on which numbers may depend: numeric type, quantisation, overrides ..."""
    return {name: value for name, value in sorted(arguments.items()) if name not in SILENT}


def served_name(arguments: Mapping[str, Any], source: str) -> str:
    """The name under which vLLM will serve the model: the first of those given."""
    given = arguments.get("served-model-name") or source
    return str(given[0] if isinstance(given, (list, tuple)) else given)


def words(source: str, arguments: Mapping[str, Any]) -> list[str]:
    """The arguments as vLLM's command line has them.

    true is `--name`, false `--no-name`, a list several values, a dictionary JSON.
    """
    line = ["--model", source]
    for name, value in arguments.items():
        if isinstance(value, bool):
            line.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, (list, tuple)):
            line += [f"--{name}", *(_text(part) for part in value)]
        else:
            line += [f"--{name}", _text(value)]
    return line


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def unknown_arguments(names: Sequence[str], options: Collection[str], version: str) -> list[str]:
    """A sentence for each name that this version of vLLM does not have."""
    problems = []
    for name in names:
        if name in options:
            continue
        near = difflib.get_close_matches(name, [o for o in options if o[:1] != "-"], 1, 0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        problems.append(f"serve.args.{name}: vLLM {version} has no such argument{hint}")
    return problems


def known_options() -> frozenset[str]:
    """The arguments of `KNOWN_VERSION`."""
    return frozenset(KNOWN.read_text(encoding="utf-8").split())


def wrong_dtype(model: ModelSettings, arguments: Mapping[str, Any]) -> str | None:
    """Gemma 2 overflows in float16: its numbers would be wrong and look right."""
    dtype = str(arguments.get("dtype", model.dtype))
    if dtype in ("float16", "half") and _is_gemma_2(model):
        return (
            f"serve.args.dtype={dtype}: Gemma 2 overflows in float16; expected bfloat16 (on a card "
            "without it float32)"
        )
    return None


def _is_gemma_2(model: ModelSettings) -> bool:
    if not model.path:
        return bool(_GEMMA_2.search(model.id))
    try:
        config = json.loads((Path(model.path).expanduser() / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return str(config.get("model_type", "")).startswith("gemma2")
