"""From trials to queries: every question the design implies, each distinct one once."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from grace.errors import ConfigError
from grace.prompts import Templates
from grace.settings import ExpSettings
from grace.study import ExperimentSpec, Name, QuestionSpec, StudySpec
from grace.types import Message, Option, Query, Sampling, Trial


@dataclass(frozen=True)
class Asked:
    """One question of one trial, and the query that answers it."""

    trial: int  # index among the trials
    question: str
    over: Mapping[str, Name]
    replicate: int  # 0 for scored questions
    query: Query


def experiment(study: StudySpec, exp: ExpSettings) -> ExperimentSpec:
    """The study's questions in this experiment, with the optional ones asked for."""
    if exp.name not in study.experiments:
        raise ConfigError(
            f"study {study.name} has no experiment {exp.name}; "
            f"expected one of {', '.join(study.experiments)}"
        )
    spec = study.experiments[exp.name]
    switched = {q.switch for q in spec.questions.values() if q.switch}
    if exp.prior and "prior" not in switched:
        raise ConfigError(
            f"exp.prior=true: study {study.name} has no prior question in experiment {exp.name}"
        )
    kept = {
        name: question
        for name, question in spec.questions.items()
        if question.switch is None or exp.prior
    }
    return spec.model_copy(update={"questions": kept})


def check_templates(
    study: StudySpec, spec: ExperimentSpec, templates: Templates, columns: Sequence[str]
) -> None:
    """Refuse every template that cannot be rendered, before anything is asked."""
    for question in spec.questions.values():
        templates.check(question.template, {*study.columns, *columns, *question.over})


def ask(
    trials: Sequence[Trial],
    spec: ExperimentSpec,
    exp: ExpSettings,
    templates: Templates,
    *,
    chat: bool,
    seed: int,
) -> list[Asked]:
    """All questions of all trials, in the order of trials, questions and replicates.

    Scored questions with the same content are one query. A raw answer is drawn for each
    trial: trials that share a prompt get draws of their own, numbered, with seeds that depend
    on the prompt and the number alone. At temperature 0 they share one answer.
    """
    prefix = exp.answer_prefix or ("" if chat else exp.base_answer_prefix)
    options = {
        name: tuple(o.option(forms=exp.forms) for o in question.options)
        for name, question in spec.questions.items()
    }
    variants = {name: question.variants() for name, question in spec.questions.items()}
    known: dict[Query, Query] = {}
    draws: Counter[tuple[Message, ...]] = Counter()
    asked = []
    for i, trial in enumerate(trials):
        for name, question in spec.questions.items():
            for over in variants[name]:
                messages = templates.messages(question.template, {**trial.values, **over})
                if question.options:
                    query = _scored(messages, options[name], prefix, chat=chat)
                    asked.append(Asked(i, name, over, 0, known.setdefault(query, query)))
                    continue
                for replicate in range(exp.replicates):
                    draw = draws[messages] if exp.temperature > 0 else 0
                    draws[messages] += 1
                    query = _drawn(messages, exp, prefix, seed, draw)
                    asked.append(Asked(i, name, over, replicate, known.setdefault(query, query)))
    return asked


def distinct(asked: Sequence[Asked]) -> list[Query]:
    """The queries, each once, in the order first asked."""
    return list({id(a.query): a.query for a in asked}.values())


def _scored(
    messages: tuple[Message, ...], options: tuple[Option, ...], prefix: str, *, chat: bool
) -> Query:
    return Query(messages, options, None, prefix, spaced=bool(prefix) or not chat)


def _drawn(
    messages: tuple[Message, ...], exp: ExpSettings, prefix: str, seed: int, draw: int
) -> Query:
    settings = Sampling(
        exp.temperature, exp.top_p, exp.max_tokens, query_seed(messages, seed, draw)
    )
    return Query(messages, (), settings, prefix, replicate=draw)


def query_seed(messages: tuple[Message, ...], seed: int, draw: int) -> int:
    """A 31-bit seed from the run's seed, the conversation and the draw's number."""
    content = json.dumps([seed, draw, [asdict(m) for m in messages]], ensure_ascii=False)
    digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def question_of(spec: ExperimentSpec, asked: Asked) -> QuestionSpec:
    """The specification an asked question came from."""
    return spec.questions[asked.question]
