"""The packed tree on an accelerator, with random weights: `make bench-gpu`.

    python -m benchmarks.gpu [--shapes 2b 9b] [--dtype bfloat16] [--prompts 200] [--rounds 3]

Models of Gemma 2's shapes are made where they are needed, so that nothing is downloaded. Tokens a
second stand beside those of a plain batched pass over contexts alone, and beside what the card's
own rate of multiplying matrices would allow. `--shapes tiny --device cpu` tries it without a card.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.speed import RESULTS, machine, markdown
from benchmarks.ways import prompts_of
from benchmarks.work import Work, made_up_work

#: hidden size, layers, heads, key heads, size of a head, size of the inner layer
SHAPES = {
    "tiny": (64, 2, 4, 2, 16, 128),
    "2b": (2304, 26, 8, 4, 256, 9216),
    "9b": (3584, 42, 16, 8, 256, 14336),
}
OPTIONS, LENGTH = 11, 400


@dataclass(frozen=True)
class Line:
    """A shape's medians over the rounds."""

    shape: str
    weights: str
    distinct_tokens: int
    seconds: float
    tokens_per_second: float
    plain_tokens_per_second: float  # a batched pass over contexts alone
    share_of_floor: float  # the first of these two over the second
    card_tokens_per_second: float  # matrices at the rate of one large product
    share_of_card: float
    max_difference: float  # from the plain pass in the same type, a few prompts
    peak_gib: float  # beyond the weights


def make_model(shape: str, device: torch.device, dtype: torch.dtype) -> Any:
    """A Gemma 2 of this shape with random weights, made on the device."""
    from transformers import AutoModelForCausalLM, Gemma2Config

    hidden, layers, heads, key_heads, size, inner = SHAPES[shape]
    config = Gemma2Config(
        vocab_size=2_000 if shape == "tiny" else 256_000, hidden_size=hidden,
        num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=key_heads,
        head_dim=size, intermediate_size=inner,
    )  # fmt: skip
    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def seconds(device: torch.device, job: Any) -> float:
    """How long a job takes, the device's queue emptied before and after."""
    wait(device)
    start = time.perf_counter()
    job()
    wait(device)
    return time.perf_counter() - start


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def card_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Multiplications and additions a second of one large product of matrices."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = torch.randn(2, n, n, device=device).to(dtype)
    spent = [seconds(device, lambda: a @ b) for _ in range(8)]
    return 2 * n**3 / statistics.median(spent[3:])


def measure(
    shape: str, device: torch.device, dtype: torch.dtype, prompts: int, rounds: int
) -> Line:
    """One shape: the tree, the plain pass and the card, in turn."""
    from grace.config.settings import LocalSettings
    from grace.engines.local.batch_cutting import cut_batches
    from grace.engines.local.forward import Reader
    from grace.engines.local.memory_budget import find_room

    model = make_model(shape, device, dtype)
    vocabulary = int(model.config.vocab_size)
    work = made_up_work(prompts, OPTIONS, LENGTH, vocabulary=min(vocabulary, 40_000))
    room = find_room(model.config, dtype, device, LocalSettings(kind="local"), loaded=True)
    reader = Reader(model, room.tokens)
    if reader.packed is None:
        raise SystemExit(f"{shape}: the packed tree is not used: {reader.why}")
    packed = reader.packed
    batches = cut_batches(prompts_of(work), room.tokens, room.max_texts)
    before = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0

    def by_tree() -> None:
        packed.forget()
        for batch in batches:
            reader.read(batch)

    plain, plain_tokens = plain_pass(model, reader, work, room.tokens)
    seconds(device, by_tree)
    seconds(device, plain)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    spent = [seconds(device, by_tree) for _ in range(rounds)]
    peak = torch.cuda.max_memory_allocated(device) - before if device.type == "cuda" else 0
    rate = statistics.median(plain_tokens / seconds(device, plain) for _ in range(rounds))
    inner = sum(p.numel() for n, p in model.named_parameters() if "embed" not in n)
    card = card_rate(device, dtype) / (2 * inner)
    tokens = work.distinct / statistics.median(spent)
    return Line(
        shape=shape,
        weights=f"{sum(p.numel() for p in model.parameters()) / 1e9:.2f} billion",
        distinct_tokens=work.distinct,
        seconds=statistics.median(spent),
        tokens_per_second=tokens,
        plain_tokens_per_second=rate,
        share_of_floor=tokens / rate,
        card_tokens_per_second=card,
        share_of_card=tokens / card,
        max_difference=difference(reader, batches[0]),
        peak_gib=peak / 2**30,
    )


def plain_pass(model: Any, reader: Any, work: Work, tokens: int) -> tuple[Any, int]:
    """A batched pass over the contexts alone, as many at a time as there is room for."""
    contexts = torch.tensor([item.context for item in work.items], device=model.device)
    parts = contexts.split(max(tokens // LENGTH, 1))

    def go() -> None:
        reader._attend(reader.own_attention)
        with torch.inference_mode():
            for part in parts:
                model(part, use_cache=False, logits_to_keep=1)

    return go, contexts.numel()


def difference(reader: Any, batch: Any) -> float:
    """The largest difference of a log-probability between the tree and the plain pass."""
    few = type(batch)(batch.prompts[:2])
    tree = reader.read(few).nodes
    reader._attend(reader.own_attention)
    with torch.inference_mode():
        plain = [reader._plain(prompt) for prompt in few.prompts]
    return max(
        float(abs(value - b[path][token]))
        for a, b in zip(tree, plain, strict=True)
        for path, children in a.items()
        for token, value in children.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="The packed tree on an accelerator.")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["2b", "9b"])
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device here; --shapes tiny --device cpu tries the benchmark")
    dtype = getattr(torch, chosen.dtype)
    rows = [
        asdict(measure(shape, device, dtype, chosen.prompts, chosen.rounds))
        for shape in chosen.shapes
    ]
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "no card"
    about = machine() | {"device": card, "dtype": chosen.dtype}
    print(markdown(rows))
    if device.type == "cuda":
        path = RESULTS / f"gpu-{about['date']}.json"
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps({"about": about, "table": rows}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
