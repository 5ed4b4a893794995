"""What to know of a model and its server before a run: findings in red, amber and green.

Nothing is stored: what is asked here is asked of the engine alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from grace.asking.job import Job, load_job
from grace.asking.query_table import ask_job
from grace.config import Settings
from grace.questions.queries import distinct
from grace.scoring import softmax
from grace.types import Answer, Engine, Failure, Generation, OptionScores, Prompt, mass

Colour = Literal["green", "amber", "red"]

#: Trials whose mass is looked at, and queries asked twice for the noise.
TRIALS, TWICE = 3, 20
#: Largest difference in probability that is only rounding, and that is still bearable. bfloat16
#: differs from float32 by some hundredths.
ROUNDING, BEARABLE = 1e-3, 0.05
#: Minutes from which on a run is long.
LONG = 12 * 60


@dataclass(frozen=True)
class Finding:
    """One thing found out; `advice` says what to do about it."""

    colour: Colour
    name: str
    found: str
    advice: str


@dataclass(frozen=True)
class Cost:
    """What a query took, among others."""

    seconds: float
    requests: float


def sample(settings: Settings, rows: int) -> Job:
    """The job on a few rows spread over the design."""
    return load_job(settings.model_copy(update={"pilot": rows}), to_ask=True)


async def preflight(job: Job, engine: Engine, prompts: Sequence[Prompt]) -> list[Finding]:
    """All findings on a started engine, from the prompts of a few rows; see `sample`."""
    findings = [
        ability(job, engine),
        *notices(engine),
        beginnings(prompts, engine.bos, chat=engine.chat),
        boundaries(prompts),
        *lost(prompts),
    ]
    few = await first_trials(job, engine)
    if not any(p.query.options for p in prompts):
        findings.append(texts(await answers(engine, engine.batches(few))))
    else:
        findings.append(masses(await answers(engine, engine.batches(few)), job))
    twice = list(prompts[:TWICE])
    alone = await answers(engine, [[prompt] for prompt in twice], apart=True)
    start, before = time.monotonic(), engine.requests
    loaded = await answers(engine, engine.batches(twice))
    each = Cost(
        (time.monotonic() - start) / max(len(twice), 1),
        (engine.requests - before) / max(len(twice), 1),
    )
    return [*findings, noise(alone, loaded), expected(job, each, chat=engine.chat)]


async def answers(
    engine: Engine, batches: Sequence[Sequence[Prompt]], *, apart: bool = False
) -> dict[str, Answer]:
    """Answers by the prompt's key; `apart` waits for each batch before the next is asked."""
    found: dict[str, Answer] = {}
    for asked in [[batch] for batch in batches] if apart else [batches]:
        async for part in engine.answer(asked):
            found |= {prompt.key: answer for prompt, answer in part}
    return found


async def first_trials(job: Job, engine: Engine) -> list[Prompt]:
    """The prompts of three trials."""
    trials = job.stimuli.trials
    rows = [trial.row for trial in trials][:: max(1, len(trials) // TRIALS)]
    few = replace(job, stimuli=job.stimuli.subset(rows[:TRIALS]))
    queries = distinct(ask_job(few, chat=engine.chat))
    prepared = await engine.prepare(queries)
    return list({p.key: p for p in prepared if isinstance(p, Prompt)}.values())


def ability(job: Job, engine: Engine) -> Finding:
    """What answers, and how exactly."""
    info = engine.info
    place = info.details.get("endpoints") or info.details.get("device", "")
    found = f"{info.kind} ({info.version}) on {place}: {info.model}, {info.dtype}, {info.method}"
    if not job.spec.scored:
        return Finding("green", "engine", found.removesuffix(f", {info.method}"), "Nothing to do.")
    if info.method == "exact":
        return Finding("green", "engine", found, "Nothing to do.")
    if info.method == "prompt_logprobs":
        advice = (
            "Exact, but several times slower than token ids: a newer vLLM has logprob_token_ids."
        )
        return Finding("amber", "engine", found, advice)
    advice = (
        "Only the most probable tokens are shown: most options will have bounds and no number. "
        "Serve the model with vLLM (python -m grace.serve) for exact ones."
    )
    return Finding("red", "engine", found, advice)


def beginnings(prompts: Sequence[Prompt], bos: int | None, *, chat: bool) -> Finding:
    """How often contexts begin with the beginning-of-sequence token: a second changes all."""
    contexts = [prompt.context for prompt in prompts if prompt.context]
    if not contexts:
        return Finding("amber", "beginning", "the server shows no token ids", "It cannot be seen.")
    if bos is None:
        found = "no beginning-of-sequence token: the tokeniser is not known to have one"
        return Finding("green", "beginning", found, "Nothing to do.")
    counts = {repeats(context, bos) for context in contexts}
    if counts == {1}:
        return Finding("green", "beginning", "one beginning-of-sequence token", "Nothing to do.")
    if max(counts) > 1:
        advice = (
            "The chat template and the tokeniser both add one: set model.chat_template_kwargs or "
            "mend the template."
        )
        found = f"{max(counts)} beginning-of-sequence tokens"
        return Finding("red", "beginning", found, advice)
    found = "no beginning-of-sequence token, though the tokeniser has one"
    if not chat:
        return Finding("green", "beginning", f"{found} that it does not add", "Nothing to do.")
    advice = "If the model was trained with one, its chat template should write it: mend it."
    return Finding("amber", "beginning", found, advice)


def repeats(context: Sequence[int], token: int) -> int:
    """How many tokens at the beginning are this one."""
    n = 0
    while n < len(context) and context[n] == token:
        n += 1
    return n


def notices(engine: Engine) -> list[Finding]:
    """What the engine has to say of the model's chat template, and of what it cannot check."""
    found = engine.info.details.get("notices", ())
    return [Finding("amber", "prompts", text, "It is in the manifest.") for text in found]


def lost(prompts: Sequence[Prompt]) -> list[Finding]:
    """Prompts with characters that the tokeniser has no token for."""
    count = sum("unknown_token" in prompt.flags for prompt in prompts)
    if not count:
        return []
    advice = "The model does not see these characters: use others, or another model."
    found = f"{count} of {len(prompts)} prompts have characters without a token"
    return [Finding("amber", "characters", found, advice)]


def boundaries(prompts: Sequence[Prompt]) -> Finding:
    """Whether context and options come apart cleanly in tokens."""
    merged = sum("boundary_merged" in prompt.flags for prompt in prompts)
    left_out = sum("form_left_out" in prompt.flags for prompt in prompts)
    if not merged and not left_out:
        return Finding("green", "boundary", "options begin where contexts end", "Nothing to do.")
    found = f"{merged} of {len(prompts)} prompts merge with an option, {left_out} leave a form out"
    advice = "The numbers are exact; for a cleaner cut end the prompt or answer_prefix otherwise."
    return Finding("amber", "boundary", found, advice)


def masses(found: dict[str, Answer], job: Job) -> Finding:
    """The probability of all options together on three trials."""
    values = [mass(a) for a in found.values() if isinstance(a, OptionScores)]
    known = sorted(v for v in values if not math.isnan(v))
    failed = [a for a in found.values() if isinstance(a, Failure)]
    name = f"mass on {TRIALS} trials"
    if failed:
        return Finding("red", name, f"{len(failed)} queries failed: {failed[0].reason}", "Mend it.")
    if not known:
        return Finding("red", name, "not known: options have bounds only", "See engine.")
    limit = job.settings.exp.low_mass
    low = sum(v < limit for v in known)
    text = f"{known[0]:.3g} to {known[-1]:.3g}; {low} of {len(known)} under {limit:g}"
    if not low:
        return Finding("green", name, text, "Nothing to do.")
    advice = (
        "The model would often say something else than an option: try a larger "
        f"instruction-tuned model, {'another ' if job.settings.exp.answer_prefix else ''}"
        "exp.answer_prefix, or another wording."
    )
    return Finding("amber", name, text, advice)


def texts(found: dict[str, Answer]) -> Finding:
    """Whether raw answers of three trials come back whole."""
    drawn = [a for a in found.values() if isinstance(a, Generation)]
    cut = sum("truncated" in a.flags for a in drawn)
    text = f"{len(drawn)} of {len(found)} drawn, {cut} cut at exp.max_tokens"
    if len(drawn) < len(found):
        return Finding("red", "raw answers", text, "See the server's log.")
    if cut:
        return Finding("amber", "raw answers", text, "Raise exp.max_tokens if they matter whole.")
    return Finding("green", "raw answers", text, "Nothing to do.")


def noise(alone: dict[str, Answer], loaded: dict[str, Answer]) -> Finding:
    """The largest difference in probability between two askings of the same queries."""
    name = f"noise, {len(alone)} queries twice"
    pairs = [(alone[key], loaded[key]) for key in alone if key in loaded]
    scored = [(a, b) for a, b in pairs if isinstance(a, OptionScores)]
    if not scored:
        same = sum(
            a.text == b.text
            for a, b in pairs
            if isinstance(a, Generation) and isinstance(b, Generation)
        )
        text = f"{same} of {len(pairs)} texts alike with equal seeds"
        if same == len(pairs):
            return Finding("green", name, text, "Nothing to do.")
        advice = "Under load texts differ in spite of equal seeds: report how many were drawn."
        return Finding("amber", name, text, advice)
    differences = [difference(a, b) if isinstance(b, OptionScores) else math.inf for a, b in scored]
    known = [d for d in differences if not math.isnan(d)]
    if not known:
        return Finding("red", name, "no query has numbers to compare", "See engine.")
    text = f"probabilities differ by up to {max(known):.1g}, alone and under load"
    if max(known) <= ROUNDING:
        return Finding("green", name, text, "Nothing to do.")
    colour: Colour = "amber" if max(known) <= BEARABLE else "red"
    advice = "Report it with the results; float32 (serve.args.dtype=float32) has less of it."
    return Finding(colour, name, text, advice)


def difference(one: OptionScores, other: OptionScores) -> float:
    """The largest difference between two measurements' normalised probabilities."""
    a = softmax([option.log_mass for option in one.options])
    b = softmax([option.log_mass for option in other.options])
    return float(abs(a - b).max())


def expected(job: Job, each: Cost, *, chat: bool) -> Finding:
    """What the whole run would ask, and how long it would take at the speed just seen."""
    whole = load_job(job.settings.model_copy(update={"pilot": None}))
    queries = len(distinct(ask_job(whole, chat=chat)))
    minutes = queries * each.seconds / 60
    text = (
        f"{queries:,} queries for {len(whole.stimuli.trials):,} rows, about "
        f"{queries * each.requests:,.0f} requests and {minutes:,.1f} minutes"
    )
    if minutes <= LONG:
        return Finding("green", "whole run", text, "Nothing to do.")
    advice = "Try pilot=, more endpoints (engine.endpoints) or shards (shard=1/4)."
    return Finding("amber", "whole run", text, advice)
