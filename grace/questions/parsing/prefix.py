"""What an answer was started with, and where it was cut."""

from __future__ import annotations

import regex

from grace.config import ParserSpec
from grace.config.matching import plain
from grace.questions.parsing.thoughts import split_thoughts

#: Stands at the end of an answer that was cut: what goes before it may go on. No text has it:
#: it is a character without a meaning.
CUT = "\ufdd0"
_COLON = regex.compile(r"""[:：]["'“‘«„*_\s]*\Z""")


def begun(text: str, prefix: str, spec: ParserSpec) -> str:
    """An answer with what it was started with, as far as the two are to be read together.

    They are where the prefix begins what is looked for ("Initial Answer:", "It was"), opens
    thoughts, or says whose the answer is. A prefix that ends in a colon and names no label is a
    heading: a line of its own. Before a field that is the whole answer it is no part of it.
    """
    if not prefix.strip():
        return text
    labels = [plain(field.label).rstrip(": ") for field in spec.fields.values() if field.label]
    if not labels and not spec.sentence:
        whole = split_thoughts(prefix + text)
        return text if whole.finished and not whole.thoughts else _without_heading(prefix, text)
    if _COLON.search(prefix) and not any(label in plain(prefix) for label in labels):
        return f"{prefix}\n{text}"
    return prefix + text


def _without_heading(prefix: str, text: str) -> str:
    """An answer whose thoughts began in its prefix, without what the prefix says after them."""
    visible = split_thoughts(prefix).answer
    return prefix.removesuffix(visible) + text if prefix.endswith(visible) else prefix + text
