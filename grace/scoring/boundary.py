"""Where the context ends and an option begins, in tokens.

Options are tokenised in context. The context's ids should then be a prefix of the whole;
where a tokeniser merges across the boundary (":" + "no" → ":no"), every option of the query
is scored from the last token that all of them share with the context, so that their masses
stay comparable, and the query is flagged `boundary_merged`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from grace.errors import ConfigError
from grace.scoring.option_space import asks_for_space
from grace.scoring.trie import common_prefix
from grace.types import Form, Option, Prompt, Query

Ids = tuple[int, ...]


def spelling_in_context(query: Query, context_text: str, spelling: str) -> str:
    """The spelling as it follows the context: with a space where the query asks for one."""
    if not query.spaced or not context_text or context_text[-1].isspace():
        return spelling
    if spelling[:1].isspace() or (
        query.spaced == "auto" and not asks_for_space(context_text, spelling)
    ):
        return spelling
    return f" {spelling}"


class Placed(NamedTuple):
    """Options behind a context: how many of its tokens all of them keep, and their own."""

    shared: int
    forms: tuple[tuple[Form, ...], ...]
    flags: tuple[str, ...]


def place_options(
    query: Query, text: str, context: Ids, wholes: Sequence[Sequence[tuple[str, Ids]]]
) -> Prompt:
    """The prompt of a query whose options are placed behind its context; see `place`."""
    placed = place(query.options, context, wholes)
    return Prompt(query, text, context[: placed.shared], placed.forms, placed.flags)


def place(
    options: Sequence[Option],
    context: Ids,
    wholes: Sequence[Sequence[tuple[str, Ids]]],
    before: int = 0,
) -> Placed:
    """Cut the options' ids off at the common boundary.

    `wholes[i]` are the surface forms of option i, as written first, each as text and the ids
    of context and form together. The boundary is that of the options as written; a further
    spelling that would move it is left out and the query flagged `form_left_out`. `before`
    tokens of the prompt stand before the context. Raises ConfigError for an option of no
    tokens, for two options that are the same tokens, and where no token of a prompt is left.
    """
    written = [forms[0] for forms in wholes]
    for spelling, whole in written:
        if whole == context[: len(whole)]:
            raise ConfigError(
                f"option {spelling!r} has no tokens of its own after the context; "
                "expected at least one"
            )
    shared = min((common_prefix(context, whole) for _, whole in written), default=len(context))
    if not shared + before:
        raise ConfigError(
            "a prompt of no tokens: what there is of it merges with an option into one token; "
            "expected some text"
        )
    owner: dict[Ids, str] = {}
    placed: list[tuple[Form, ...]] = []
    left_out = False
    for option, forms in zip(options, wholes, strict=True):
        own: dict[Ids, Form] = {}
        for spelling, whole in forms:
            ids = whole[shared:]
            if whole[:shared] != context[:shared] or not ids:
                left_out = True
                continue
            if owner.setdefault(ids, option.name) != option.name:
                raise ConfigError(
                    f"options {owner[ids]!r} and {option.name!r} are the same tokens for "
                    f"this model ({spelling!r}); expected options that differ"
                )
            own.setdefault(ids, Form(spelling, ids))
        placed.append(tuple(own.values()))
    found = {"boundary_merged": shared < len(context), "form_left_out": left_out}
    return Placed(shared, tuple(placed), tuple(name for name, holds in found.items() if holds))


def check_bos(ids: Sequence[int], bos: int | None) -> None:
    """Refuse a context that begins with the beginning-of-sequence token twice."""
    if bos is not None and len(ids) > 1 and ids[0] == bos and ids[1] == bos:
        raise ConfigError(
            "the rendered prompt begins with two beginning-of-sequence tokens: the chat "
            "template and the tokeniser both add one; expected exactly one"
        )
