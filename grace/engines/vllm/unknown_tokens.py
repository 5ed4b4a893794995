"""Characters that a server's tokeniser has no token for, found out by asking.

It is tried once with pairs of characters that nobody writes: those that become the same ids are
unknown to it, those that become bytes are not. A tokeniser may also take away what it thinks no
text (control characters, private ones, accents): each character that is not ASCII is tried.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable

from grace.questions.lost_differences import BETWEEN, NOBODY_S, TOLD_APART

Ids = tuple[int, ...]


class Unknown:
    """Which texts lose characters on a server; `loses` is known after the first question."""

    def __init__(self, tokenise: Callable[[str], Awaitable[Ids]]) -> None:
        self._tokenise = tokenise
        self._tried = False
        self._marks: frozenset[int] = frozenset()
        self._between: tuple[str, str] | None = None
        self._bare: Ids = ()
        self._drops = False
        self._known: dict[str, bool] = {}

    @property
    def loses(self) -> bool:
        """Whether there are characters it has no token for."""
        return bool(self._marks) or self._drops

    async def any(self, texts: Iterable[str], ids: Collection[int]) -> bool:
        """Whether characters of the texts, which these ids stand for, are lost."""
        await self.try_once()
        if not self._marks.isdisjoint(ids):
            return True
        if not self._drops:
            return False
        characters = {c for text in texts for c in text if ord(c) > 127 and not c.isspace()}
        return any([await self._dropped(c) for c in sorted(characters)])

    async def alike(self) -> list[str]:
        """In what texts may differ that are the same to the tokeniser."""
        await self.try_once()
        found = []
        for what, (one, other) in TOLD_APART.items():
            ids = await self._tokenise(one)
            if ids == await self._tokenise(other) and self._marks.isdisjoint(ids):
                found.append(what)
        return found

    async def try_once(self) -> None:
        """Try it with characters that nobody writes."""
        if self._tried:
            return
        self._tried = True
        bare = await self._tokenise("aa")
        known = {*bare, *await self._tokenise("a"), *await self._tokenise("a a")}
        for pair in NOBODY_S:
            one, other = [await self._tokenise(f"a{c}a") for c in pair]
            if one == other:
                self._drops = self._drops or one == bare
                self._marks |= frozenset(one) - known
        for before, behind in BETWEEN:
            ids = await self._tokenise(before + behind)
            if ids and self._marks.isdisjoint(ids):
                self._between, self._bare = (before, behind), ids
                return
        self._drops = False

    async def _dropped(self, character: str) -> bool:
        if character not in self._known and self._between:
            before, behind = self._between
            ids = await self._tokenise(f"{before}{character}{behind}")
            self._known[character] = ids == self._bare
        return self._known.get(character, False)
