"""The text of a raw answer in; its fields, or why there are none, out. Strict: nothing is guessed.

An answer goes through these modules: thoughts (cut out), markup (what is struck out, LaTeX),
layout (JSON and tables as labelled lines), places and sentence (where an answer stands), tokens
(what it is there), reservations and quoting (whether it is meant). What is declared of the fields
in a study's YAML is in grace/config/answer_fields.py.
"""

from __future__ import annotations

from grace.config import ParserSpec
from grace.questions.parsing.reading import Parsed, parse
from grace.questions.parsing.thoughts import Split, split_thoughts

__all__ = ["Parsed", "ParserSpec", "Split", "parse", "split_thoughts"]
