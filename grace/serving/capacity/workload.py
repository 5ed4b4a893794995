"""What a study asks of a model: queries and tokens, before the model is anywhere near.

Where its tokeniser is at hand (the bundled model, a folder that holds one) tokens are counted as a
run counts them. Else they are estimated from the texts: English takes a token for some 4.5
characters (3.6 to 5.4 with the tokenisers of the registry), other scripts one for each character,
give or take a factor of two, and a chat template adds a few dozen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace.asking import Job, PromptSpool, load_job, make_query_table
from grace.asking.query_table import ask_job
from grace.config import CapacitySettings, LocalSettings
from grace.engines import make_engine
from grace.questions.queries import distinct
from grace.serving.capacity.estimates import Case, Row
from grace.serving.capacity.rates import find_rate
from grace.types import Query

#: Characters a token, tokens a character outside ASCII, tokens of a chat template: the least
#: tokens, the best guess, the most.
ASCII = (5.4, 4.5, 3.6)
OTHER = (0.5, 1.0, 2.0)
TEMPLATE = (8, 25, 60)
#: Of a text that may have so many tokens at most, the share that is generated.
GENERATED = (0.15, 0.5, 1.0)
#: Tokens a spelling of an option takes beside its first.
SPELLING = (0.1, 0.5, 1.5)

#: Minutes below which they are not told.
LEAST_MINUTES = 0.1

Three = tuple[int, int, int]


@dataclass(frozen=True)
class Work:
    """Tokens: at least, as expected, at most."""

    queries: int
    tokens: Three  # each query on its own
    distinct: Three  # every shared beginning read once
    generated: Three
    counted: bool  # by the model's own tokeniser


def workload(settings: CapacitySettings, case: Case, rows: Sequence[Row]) -> dict[str, Any]:
    """Queries, tokens, minutes and GPU-hours of the run that these settings describe."""
    job = load_job(settings)
    work = count_work(job)
    found: dict[str, Any] = {
        "study": settings.study.name,
        "experiment": settings.exp.name,
        "rows": len(job.stimuli.trials),
        "queries": work.queries,
        "counted": work.counted,
        **_three("tokens", work.tokens),
        **_three("distinct_tokens", work.distinct),
        **_three("generated", work.generated),
    }
    row = next((r for r in reversed(rows) if r.good), None)
    rate = find_rate(settings, case, row)
    if rate is not None:
        cards = 0 if case.card.cpu else row.tp if row else 0
        low, middle, high = (rate.minutes(work.distinct[i], work.generated[i], i) for i in range(3))
        found |= {
            "rate": rate.said, "minutes": middle, "minutes_low": low, "minutes_high": high,
            "cards": cards, "gpu_hours": round(middle / 60 * cards, 4),
            "gpu_hours_low": round(low / 60 * cards, 4),
            "gpu_hours_high": round(high / 60 * cards, 4),
        }  # fmt: skip
    return found | {"lines": _lines(found)}


def count_work(job: Job) -> Work:
    """Count with the tokeniser where it is at hand, else estimate."""
    settings = job.settings
    queries = distinct(ask_job(job, chat=settings.model.chat is not False))
    texts = [query for query in queries if not query.options]
    most = settings.exp.max_tokens * len(texts)
    if _tokeniser_is_here(job):
        every, different = asyncio.run(_counted(job))
        tokens, shared = (every,) * 3, (different,) * 3
    else:
        tokens, shared = _estimated(queries)
    nodes = sum(len(o.spellings) for query in queries for o in query.options)
    return Work(
        queries=len(queries),
        tokens=tokens,
        distinct=shared,
        generated=_rounded(*(most * g + nodes for g in GENERATED)),
        counted=_tokeniser_is_here(job),
    )


def _tokeniser_is_here(job: Job) -> bool:
    model = job.settings.model
    files = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")
    return model.bundled or bool(
        model.path and any((Path(model.path) / f).is_file() for f in files)
    )


async def _counted(job: Job) -> tuple[int, int]:
    """All tokens and the distinct ones, as a run of the local engine plans them; no weights."""
    engine = await make_engine(job.settings.model, LocalSettings(kind="local"))
    try:
        with PromptSpool() as spool:
            _, _, tokens = await make_query_table(job, engine, spool)
            return tokens.both
    finally:
        await engine.close()


def _estimated(queries: Sequence[Query]) -> tuple[Three, Three]:
    texts = sorted(
        "".join(m.content for m in query.messages) + query.answer_prefix for query in queries
    )
    new = [
        text[_shared(before, text):]
        for before, text in zip(["", *texts], texts, strict=False)
    ]  # fmt: skip
    spellings = sum(len(o.spellings) for query in queries for o in query.options)
    own = [spellings * share for share in SPELLING]
    every, different = (_tokens("".join(part)) for part in (texts, new))
    count = len(texts)
    return (
        _rounded(*(every[i] + count * TEMPLATE[i] + own[i] for i in range(3))),
        _rounded(*(different[i] + count * TEMPLATE[i] / 2 + own[i] for i in range(3))),
    )


def _shared(one: str, other: str) -> int:
    """Characters at the beginning that two texts share."""
    return next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )


def _tokens(text: str) -> list[float]:
    plain = sum(character.isascii() for character in text)
    return [plain / ASCII[i] + (len(text) - plain) * OTHER[i] for i in range(3)]


def _rounded(low: float, middle: float, high: float) -> Three:
    return round(low), round(middle), round(high)


def _three(name: str, values: Three) -> dict[str, int]:
    return {name: values[1], f"{name}_low": values[0], f"{name}_high": values[2]}


def _lines(found: dict[str, Any]) -> list[str]:
    """What the screen says."""

    def between(name: str) -> str:
        low, high = found[f"{name}_low"], found[f"{name}_high"]
        about = f"{found[name]:,}"
        return about if low == high else f"about {about} ({low:,} to {high:,})"

    how = "counted with its tokeniser" if found["counted"] else "estimated from the texts"
    lines = [
        f"Study {found['study']}, experiment {found['experiment']}: {found['rows']:,} rows, "
        f"{found['queries']:,} queries, {between('tokens')} tokens of prompts, of which "
        f"{between('distinct_tokens')} distinct; {how}"
    ]
    if found["experiment"] == "1":
        lines.append(f"It generates {between('generated')} tokens")
    if "minutes" not in found:
        return [*lines, "How long that takes is not known: prompt_rate=TOKENS_A_SECOND says"]
    hours = f"{found['gpu_hours']:.2g}" if found["gpu_hours"] else "less than 0.001"
    cost = f" and {hours} GPU-hours" if found["cards"] else ""
    if found["minutes_high"] < LEAST_MINUTES:
        takes = f"less than {LEAST_MINUTES} minutes"
    else:
        takes = (f"about {found['minutes']:.1f} minutes ({found['minutes_low']:.1f} to "
                 f"{found['minutes_high']:.1f})")  # fmt: skip
    return [*lines, f"It takes {takes}{cost}: {found['rate']}"]
