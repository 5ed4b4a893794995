"""Whether a server can start here, found out before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grace.config import ModelSettings
from grace.serving import machine
from grace.serving.capacity.cards import of_driver
from grace.serving.capacity.server import UTILISATION
from grace.serving.capacity.weights import Weights, weights_of
from grace.serving.machine import Gpu


def weights_gib(model: ModelSettings, arguments: Mapping[str, Any]) -> float | None:
    """Memory that the weights alone take, in GiB; None where the model's size is not known."""
    found = weights_of(model, arguments)
    return None if found is None else found.total


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
    weights = weights_of(model, arguments)
    if weights is None:
        return None
    if cpu_cache is not None:
        free, need = machine.available_memory(), weights.total + cpu_cache
        says = f"{model.name} needs {need:.1f} GiB of memory here; {free:.1f} GiB are free"
        return says if need > free else None
    if not cards:
        needed = f"{model.memory_gib or weights.total:.0f} GiB of GPU memory"
        on = f" ({model.cards})" if model.cards else ""
        return f"{model.name} needs {needed}{on}; this machine has no GPU"
    return _cards_problem(model, arguments, cards, weights)


def _cards_problem(
    model: ModelSettings, arguments: Mapping[str, Any], cards: Sequence[Gpu], weights: Weights
) -> str | None:
    parts = cards_wanted(arguments)
    if parts > len(cards):
        return (
            f"{model.name} is to be spread over {parts} GPUs and there are {len(cards)}; expected "
            "serve.args.tensor-parallel-size to fit"
        )
    usual = arguments.get("gpu-memory-utilization", UTILISATION)
    card = of_driver(cards[0].name, cards[0].total)
    tp = int(arguments.get("tensor-parallel-size", 1))
    share = weights.share(tp) / int(arguments.get("pipeline-parallel-size", 1))
    room = card.gib * float(usual)
    if share <= room:
        return None
    many = f"{parts} × {cards[0].name}"
    return (
        f"{model.name} cannot fit: its weights take {share:.0f} GiB of each card, and {many} give "
        f"{room:.0f} GiB each; expected {model.cards or 'more or larger GPUs'} (python -m "
        f"grace.capacity model={model.name})"
    )


def cards_wanted(arguments: Mapping[str, Any]) -> int:
    """GPUs that the arguments spread the model over."""
    names = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")
    wanted = 1
    for name in names:
        wanted *= int(arguments.get(name, 1))
    return wanted
