"""What the tests of parsing share: the studies' own specifications, read from conf/."""

from __future__ import annotations

import yaml

from grace.config.resources import shipped
from grace.questions.parsing import Parsed, ParserSpec
from grace.questions.parsing.tokens import Value


def of_study(name: str) -> ParserSpec:
    text = (shipped("conf") / "study" / f"{name}.yaml").read_text(encoding="utf-8")
    parse = yaml.safe_load(text)["experiments"]["1"]["questions"]["answer"]["parse"]
    return ParserSpec.model_validate(parse)


knowledge_spec = of_study("1")
polite_spec = of_study("2")

PERCENTAGES = "0: 10%, 1: 20%, 2: 30%, 3: 40%"


def knowledge_answer(
    initial: str = "2", probabilities: str = PERCENTAGES, knows: str = "no"
) -> str:
    return f"Initial Answer: {initial}\nProbabilities: {probabilities}\nKnowledge: {knows}"


def bets(parsed: Parsed) -> list[Value | None]:
    return [parsed.values[f"p_{state}"] for state in range(4)]


def spec(text: str) -> ParserSpec:
    return ParserSpec.model_validate(yaml.safe_load(text))
