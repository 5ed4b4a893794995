"""Characters that a server's tokeniser has no token for, found out by asking.

It is tried once with two characters that nobody writes: those that become the same ids are
unknown to it, those that become bytes are not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable

Ids = tuple[int, ...]

#: Of a private plane: no text a tokeniser was made from has them.
NOBODY_S = ("\U000f1234", "\U000f4321")


class Unknown:
    """Which texts lose characters on a server; `loses` is known after the first question."""

    def __init__(self, tokenise: Callable[[str], Awaitable[Ids]]) -> None:
        self._tokenise = tokenise
        self._tried = False
        self._marks: frozenset[int] = frozenset()
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
        if self._marks:
            return not self._marks.isdisjoint(ids)
        if not self._drops:
            return False
        characters = {c for text in texts for c in text if ord(c) > 127 and not c.isspace()}
        return any([await self._dropped(c) for c in characters])

    async def try_once(self) -> None:
        """Try it with characters that nobody writes."""
        if self._tried:
            return
        self._tried = True
        self._bare = await self._tokenise("aa")
        one, other = [await self._tokenise(f"a{c}a") for c in NOBODY_S]
        if one == other:
            self._drops = one == self._bare
            known = {*self._bare, *await self._tokenise("a"), *await self._tokenise("a a")}
            self._marks = frozenset(one) - known

    async def _dropped(self, character: str) -> bool:
        if character not in self._known:
            ids = await self._tokenise(f"a{character}a")
            self._known[character] = ids == self._bare
        return self._known[character]
