"""From trials to queries: every question the design implies, each distinct one once."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from grace.config import ExperimentSpec, ExpSettings, QuestionSpec, StudySpec
from grace.config.study import Name
from grace.errors import ConfigError
from grace.questions.templates import Templates
from grace.scoring import asks_for_space
from grace.scoring.option_space import is_spaceless
from grace.types import Message, Query, Sampling, Trial

#: A question and the index of one of its variants.
Slot = tuple[str, int]


@dataclass(frozen=True)
class Asked:
    """One thing that is asked of every trial: a question, in one variant, for one replicate."""

    slot: Slot
    over: Mapping[str, Name]  # what the question varies over, as in this variant
    replicate: int  # 0 for scored questions


def answer_prefix(exp: ExpSettings, *, chat: bool) -> str:
    """What a model's answers are started with."""
    return exp.answer_prefix or ("" if chat else exp.base_answer_prefix)


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
        words = {name for name, levels in question.over.items() if isinstance(levels[0], str)}
        templates.check(
            question.template,
            {*study.columns, *columns, *question.over},
            study.texts(columns) - question.over.keys() | words,
        )


def refuse_hidden_columns(study: StudySpec, spec: ExperimentSpec, columns: Sequence[str]) -> None:
    """Refuse a question that varies over the name of a column: its cells would be hidden."""
    for name, question in spec.questions.items():
        for over in question.over.keys() & {*study.columns, *columns}:
            raise ConfigError(
                f"{study.place}, question {name}: over {over}, which is also a column of the "
                "stimuli; expected another name"
            )


def refuse_same_prompts(
    study: StudySpec, spec: ExperimentSpec, templates: Templates, trials: Sequence[Trial]
) -> None:
    """Refuse a question of which two variants have the same prompt in every row.

    Their numbers would be the same to the last digit, and look like a finding. Rows are gone
    through until all variants are told apart, which mostly is the first.
    """
    for name, question in spec.questions.items():
        alike = [question.variants()]
        for trial in trials:
            alike = [part for some in alike for part in _apart(question, some, templates, trial)]
            if not alike:
                break
        if alike:
            raise ConfigError(f"{study.place}, question {name}: {_same(question, alike[0])}")


def _apart(
    question: QuestionSpec, variants: list[dict[str, Name]], templates: Templates, trial: Trial
) -> list[list[dict[str, Name]]]:
    """Variants in groups that have the same prompt in this row; those of one are left out."""
    groups: dict[tuple[Message, ...], list[dict[str, Name]]] = {}
    for over in variants if len(variants) > 1 else ():
        groups.setdefault(_render(question, over, templates, trial), []).append(over)
    return [group for group in groups.values() if len(group) > 1]


def _same(question: QuestionSpec, variants: Sequence[Mapping[str, Name]]) -> str:
    """Which variants cannot be told apart, and by what they should be."""
    one, other = variants[:2]
    names = [name for name in question.over if one[name] != other[name]]
    told = (", ".join(f"{name} {over[name]}" for name in names) for over in (one, other))
    expected = " and ".join(f"{{{{ {name} }}}}" for name in names)
    return (
        f"the prompts for {' and for '.join(told)} are the same in every row, and so would their "
        f"numbers be; expected {expected} in the template {question.template}"
    )


def _render(
    question: QuestionSpec, over: Mapping[str, Name], templates: Templates, trial: Trial
) -> tuple[Message, ...]:
    """The conversation of a question in one variant for one trial."""
    try:
        return templates.messages(question.template, {**trial.values, **over})
    except ConfigError as error:
        raise ConfigError(f"{error} (in row {trial.row} of the stimuli)") from error


def asked_of_each(spec: ExperimentSpec, exp: ExpSettings) -> list[Asked]:
    """What is asked of every trial, in the order of questions, variants and replicates."""
    return [
        Asked((name, i), over, replicate)
        for name, question in spec.questions.items()
        for i, over in enumerate(question.variants())
        for replicate in range(1 if question.options else exp.replicates)
    ]


def ask(
    trials: Sequence[Trial],
    spec: ExperimentSpec,
    exp: ExpSettings,
    templates: Templates,
    *,
    chat: bool,
    seed: int,
) -> Iterator[Query]:
    """The queries of one trial after another, of each in the order of `asked_of_each`.

    Scored questions with the same content are the same query. A raw answer is drawn for each
    trial: trials that share a prompt get draws of their own, numbered, with seeds that depend
    on the prompt and the number alone. At temperature 0 they share one answer.
    """
    prefix = answer_prefix(exp, chat=chat)
    options = {
        name: tuple(o.option(forms=exp.forms) for o in question.options)
        for name, question in spec.questions.items()
    }
    spaceless = {
        name: not all(asks_for_space("", s) for option in some for s in option.spellings)
        for name, some in options.items()
    }
    of_each = asked_of_each(spec, exp)
    draws: Counter[bytes] = Counter()  # by prompt
    for trial in trials:
        for asked in of_each:
            name, _ = asked.slot
            if not asked.replicate:
                messages = _render(spec.questions[name], asked.over, templates, trial)
            if options[name]:
                spaced = _spaced(messages, prefix, exp, chat=chat, spaceless=spaceless[name])
                yield Query(messages, options[name], None, prefix, spaced)
                continue
            prompt = _digest(_plain(messages))
            draw = draws[prompt] if exp.temperature > 0 else 0
            draws[prompt] += 1
            yield _drawn(messages, exp, prefix, seed, draw)


def distinct(queries: Iterable[Query]) -> list[Query]:
    """The queries, each once, in the order first asked."""
    return list({query.key: query for query in queries}.values())


def _spaced(
    messages: tuple[Message, ...], prefix: str, exp: ExpSettings, *, chat: bool, spaceless: bool
) -> bool | Literal["auto"]:
    """Whether options ask for a space; told apart one by one only where not all would."""
    if exp.option_space != "auto":
        return exp.option_space == "always"
    if chat and not prefix:
        return False
    end = (prefix or messages[-1].content)[-1:]
    return "auto" if spaceless or (end and is_spaceless(end)) else True


def _drawn(
    messages: tuple[Message, ...], exp: ExpSettings, prefix: str, seed: int, draw: int
) -> Query:
    settings = Sampling(
        exp.temperature, exp.top_p, exp.max_tokens, query_seed(messages, seed, draw)
    )
    return Query(messages, (), settings, prefix, replicate=draw)


def query_seed(messages: tuple[Message, ...], seed: int, draw: int) -> int:
    """A 31-bit seed from the run's seed, the conversation and the draw's number."""
    return int.from_bytes(_digest([seed, draw, _plain(messages)])[:4], "big") >> 1


def _plain(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [asdict(message) for message in messages]


def _digest(content: Any) -> bytes:
    text = json.dumps(content, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
