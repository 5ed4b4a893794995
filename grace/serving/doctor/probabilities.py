"""Whether a server's probabilities are what they are taken for.

Three things make them add up to something else: a temperature (or another processing of logits)
that is applied to what is shown, numbers that belong to other tokens than were asked for, and
options that do not begin where the prompt ends.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from grace.config import ModelSettings, VllmSettings
from grace.engines.vllm import VllmEngine, logprob_requests
from grace.engines.vllm.chat_template import read_ids
from grace.engines.vllm.endpoint import Endpoint
from grace.engines.vllm.problems import BadAnswerError, PassingError, RefusedError, ServerError
from grace.errors import GraceError
from grace.serving.doctor.finding import Finding
from grace.types import Failure, Message, Option, OptionScores, Prompt, Query, mass

SENTENCE = "The soup was warm and the bread was"
#: Tokens looked at, and the largest difference (log) that is numeric noise.
TOP, NOISE = 20, 0.5
#: Rounding of a sum of probabilities.
ROUNDING = 2e-3
#: A temperature that changes every probability visibly.
HOT = 3.0
OPTIONS = (Option("yes", "yes", ("Yes",)), Option("no", "no", ("No",)))
RAW = "serve.args.logprobs-mode=raw_logprobs (vLLM's default) where it is started"


async def of_tokens(endpoint: Endpoint, name: str) -> list[Finding]:
    """What is wrong with next-token probabilities; nothing where the server shows none by id."""
    place = f"{endpoint.root}/v1/completions"
    try:
        ids = read_ids(await endpoint.post("/tokenize", {"model": name, "prompt": SENTENCE}))
        body = logprob_requests.top_body(name, [ids], TOP)
        plain = logprob_requests.read_top(await endpoint.post("/v1/completions", body), 1)[0]
        total = sum(math.exp(value) for value in plain.values())
        if total > 1 + ROUNDING:
            said = f"the {len(plain)} most probable tokens add up to {total:.3f}"
            return [_processed("probabilities add up to more than one", said, place)]
        warm = body | {"temperature": HOT, "seed": 0}
        hot = logprob_requests.read_top(await endpoint.post("/v1/completions", warm), 1)[0]
        if (apart := _apart(plain, hot)) > NOISE:
            said = f"at temperature {HOT:g} log-probabilities differ by {apart:.2f}"
            return [_processed("the server applies the temperature to what it shows", said, place)]
        return await _by_id(endpoint, name, ids, plain, place)
    except BadAnswerError as error:
        if "as a log-probability" not in str(error):
            return []
        return [_processed("what the server shows are no log-probabilities", str(error), place)]
    except (RefusedError, PassingError, ServerError):
        return []


async def _by_id(
    endpoint: Endpoint, name: str, ids: tuple[int, ...], plain: Mapping[int, float], place: str
) -> list[Finding]:
    """The same numbers asked for by token: they must be those."""
    wanted = sorted(plain, key=lambda token: -plain[token])[:8]
    body = logprob_requests.chain_body(name, [ids], wanted)
    asked = logprob_requests.read_chains(await endpoint.post("/v1/completions", body), 1, wanted)
    apart = _apart(plain, asked[0][0])
    if apart <= NOISE:
        return []
    return [
        Finding(
            "wrong-tokens",
            "asked for by their ids, tokens have other probabilities than among the most probable",
            "another version of vLLM; no result of this server is to be trusted",
            f"log-probabilities differ by {apart:.2f}",
            place,
        )
    ]


def _apart(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    both = one.keys() & other.keys()
    finite = [t for t in both if math.isfinite(one[t]) and math.isfinite(other[t])]
    return max((abs(one[token] - other[token]) for token in finite), default=0.0)


def _processed(cause: str, said: str, place: str) -> Finding:
    return Finding("temperature", cause, RAW, said, place)


async def of_options(
    model: ModelSettings, name: str, engine: VllmSettings, *, chat: bool
) -> list[Finding]:
    """Two options of one question, scored as a run scores them."""
    kept: dict[str, Any] = {"chat_template_kwargs": model.chat_template_kwargs, "date": model.date}
    asked = ModelSettings(name="server", id=name, chat=chat, **kept)
    place = f"{engine.endpoints[0]}/completions"
    runs = VllmEngine(asked, engine)
    query = Query((Message("user", "Is soup warm? Answer with yes or no."),), OPTIONS)
    try:
        await runs.start()
        prepared = await runs.prepare([query])
        prompts = [prompt for prompt in prepared if isinstance(prompt, Prompt)]
        answers = [
            answer async for part in runs.answer(runs.batches(prompts)) for _, answer in part
        ]
    except GraceError as error:
        cause = "a run could not score options here"
        return [Finding("not-scorable", cause, "as the line says", str(error), place)]
    finally:
        await runs.close()
    return [
        *(_failed(one, place) for one in (*prepared, *answers) if isinstance(one, Failure)),
        *(
            _over_one(mass(one), prompts[0], place)
            for one in answers
            if isinstance(one, OptionScores) and mass(one) > 1 + ROUNDING
        ),
    ]


def _failed(failure: Failure, place: str) -> Finding:
    cause = "a run could not score options here"
    return Finding("not-scorable", cause, "as the line says", failure.reason, place)


def _over_one(total: float, prompt: Prompt, place: str) -> Finding:
    merged = "boundary_merged" in prompt.flags
    return Finding(
        "boundary" if merged else "temperature",
        "the probabilities of options that exclude each other add up to more than one"
        + (": they do not begin where the prompt ends" if merged else ""),
        "exp.option_space=always, or a prompt that ends otherwise" if merged else RAW,
        f"mass {total:.3f}",
        place,
    )
