"""Whether a server can start here, found out before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grace.config import ModelSettings
from grace.serving import machine
from grace.serving.machine import Gpu

#: Bytes a parameter takes, by numeric type or quantisation; otherwise two.
BYTES = {"float32": 4.0, "fp8": 1.0, "int8": 1.0, "awq": 0.6, "gptq": 0.6, "bitsandbytes": 0.6}


def weights_gib(model: ModelSettings, arguments: Mapping[str, Any]) -> float | None:
    """Memory that the weights alone take, in GiB; None where the model's size is not known."""
    kind = str(arguments.get("quantization") or "")
    if kind:
        each = next((b for name, b in BYTES.items() if kind.startswith(name)), 2.0)
    elif model.weights_gib is not None:
        return model.weights_gib
    else:
        each = BYTES.get(str(arguments.get("dtype", model.dtype)), 2.0)
    return None if model.parameters is None else model.parameters * 1e9 * each / machine.GIB


def port_problem(host: str, port: int) -> str | None:
    """A sentence where the port cannot be listened on."""
    if machine.port_is_free(host, port):
        return None
    owner = machine.port_owner(port)
    return f"port {port} is in use by {owner}; expected a free one (serve.args.port=PORT)"


def gated_problem(model: ModelSettings) -> str | None:
    """A sentence where the model's makers want to know who downloads it."""
    if not model.gated or model.path or machine.may_download(model):
        return None
    return (
        f"{model.id} is gated and no Hugging Face token is here: accept its licence "
        f"({model.licence}) at https://huggingface.co/{model.id} and set HF_TOKEN"
    )


def memory_problem(
    model: ModelSettings,
    arguments: Mapping[str, Any],
    cards: Sequence[Gpu],
    cpu_cache: float | None,
) -> str | None:
    """A sentence where the weights cannot fit, whatever is tuned.

    `cpu_cache` is the GiB for keys and values where vLLM computes on the CPU, else None.
    """
    weights = weights_gib(model, arguments)
    if weights is None:
        return None
    if cpu_cache is not None:
        free, need = machine.available_memory(), weights + cpu_cache
        says = f"{model.name} needs {need:.1f} GiB of memory here; {free:.1f} GiB are free"
        return says if need > free else None
    if not cards:
        needed = f"{model.memory_gib or weights:.0f} GiB of GPU memory"
        on = f" ({model.cards})" if model.cards else ""
        return f"{model.name} needs {needed}{on}; this machine has no GPU"
    return _cards_problem(model, arguments, cards, weights)


def _cards_problem(
    model: ModelSettings, arguments: Mapping[str, Any], cards: Sequence[Gpu], weights: float
) -> str | None:
    parts = cards_wanted(arguments)
    if parts > len(cards):
        return (
            f"{model.name} is to be spread over {parts} GPUs and there are {len(cards)}; expected "
            "serve.args.tensor-parallel-size to fit"
        )
    share = float(arguments.get("gpu-memory-utilization", 0.9))
    copies = int(arguments.get("data-parallel-size", 1))
    room = sum(gpu.total for gpu in cards[:parts]) * share / copies
    if weights <= room:
        return None
    return (
        f"{model.name} cannot fit: its weights take {weights:.0f} GiB and {parts} × "
        f"{cards[0].name} give {room:.0f} GiB; expected {model.cards or 'more or larger GPUs'}"
    )


def cards_wanted(arguments: Mapping[str, Any]) -> int:
    """GPUs that the arguments spread the model over."""
    names = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")
    wanted = 1
    for name in names:
        wanted *= int(arguments.get(name, 1))
    return wanted
