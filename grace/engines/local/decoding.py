"""Going on from contexts token by token, behind keys and values computed before.

Texts from the same context share its keys and values: a step weighs the context's part and
each text's own part, and normalises over both. Texts that ended leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch

from grace.engines.local.packed_pass import Contexts, Ids, Packed
from grace.engines.local.tree_attention import How

#: Tokens by which the room for texts grows.
GROWTH = 32

#: How texts are drawn the plain way, fastest first: in one padded batch, in batches of one
#: length, or each alone without anything kept.
Manner = Literal["padded", "by length", "anew"]
MANNERS: tuple[Manner, ...] = ("padded", "by length", "anew")


class Decoder(Protocol):
    """Some texts under way, as rows."""

    def first(self) -> torch.Tensor:
        """The logits after the contexts, (rows, vocabulary), float32."""
        ...

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """The logits after one more token of each row."""
        ...

    def keep(self, rows: Sequence[int]) -> None:
        """Let the other rows go."""
        ...


class PackedDecoder:
    """Texts that go on from contexts a packed tree has computed."""

    def __init__(self, packed: Packed, contexts: Contexts, rows: Sequence[Ids]) -> None:
        self.packed = packed
        self.contexts = contexts
        self.device = packed.model.device
        self.of = np.array([contexts.index[context] for context in rows])  # each row's context
        self.layout = TextLayout(contexts, self.of, self.device)

    def first(self) -> torch.Tensor:
        """From the contexts' last hidden states."""
        hidden = torch.stack([self.contexts.hidden[i] for i in self.of.tolist()])
        return self.packed.head.logits(hidden)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """One pass of one token a row."""
        hidden = self.packed.model.base_model(
            input_ids=tokens[:, None].to(self.device),
            position_ids=self.layout.positions()[:, None],
            use_cache=False,
            layout=self.layout,
        ).last_hidden_state[:, 0]
        self.packed.tokens += len(tokens)
        self.layout.advance()
        return self.packed.head.logits(hidden)

    def keep(self, rows: Sequence[int]) -> None:
        """Drop texts, and contexts without any."""
        self.layout.keep(rows)


class TextLayout:
    """Each row attends to its context and to the tokens of its own so far.

    Rows of one context are put side by side as queries: `slots` (contexts, most rows) holds
    the rows of each, filled up with row 0, and `back` where each row is among the slots.
    """

    def __init__(self, contexts: Contexts, of: np.ndarray, device: torch.device) -> None:
        self.shared = contexts.states
        self.lengths = np.array(contexts.lengths)
        self.device = device
        self.own: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.length = 0  # of each row's own part
        self._arrange(of)

    def positions(self) -> torch.Tensor:
        """The position of each row's next token."""
        return self.row_length + self.length

    def advance(self) -> None:
        """Every row has one more token."""
        self.length += 1
        self._bias.clear()

    def keep(self, rows: Sequence[int]) -> None:
        """Let other rows go, and the contexts nobody needs any longer."""
        index = torch.tensor(list(rows), device=self.device)
        self.own = {
            layer: (k.index_select(0, index), v.index_select(0, index))
            for layer, (k, v) in self.own.items()
        }
        alive, of = np.unique(self.of[list(rows)], return_inverse=True)
        if len(alive) < len(self.lengths):
            left = torch.from_numpy(alive).to(self.device)
            for layer, (k, v) in list(self.shared.items()):  # one layer at a time: no two copies
                self.shared[layer] = (k.index_select(0, left), v.index_select(0, left))
            self.lengths = self.lengths[alive]
        self._arrange(of)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, how: How
    ) -> torch.Tensor:
        """(rows, heads, 1, size) -> (rows, 1, heads, size)."""
        key, value = self._append(layer, key, value)
        shared_key, shared_value = self.shared[layer]
        rows, heads = query.shape[0], key.shape[1]
        q = query.view(rows, heads, -1, query.shape[3])  # the query heads of each key head
        width = shared_key.shape[2]
        scores = torch.cat(
            [
                self._from_slots(self._to_slots(q) @ shared_key.transpose(-1, -2), rows),
                q @ key.transpose(-1, -2),
            ],
            dim=-1,
        ).mul_(how.scaling)
        if how.softcap is not None:
            scores.div_(how.softcap).tanh_().mul_(how.softcap)
        scores += self._hidden(how.window, width, scores.dtype)
        weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
        mixed = self._from_slots(self._to_slots(weights[..., :width]) @ shared_value, rows)
        mixed += weights[..., width:] @ value
        return mixed.reshape(rows, 1, query.shape[1], -1)

    def _arrange(self, of: np.ndarray) -> None:
        self.of = of
        self.row_length = torch.from_numpy(self.lengths[of]).to(self.device)
        counts = np.bincount(of, minlength=len(self.lengths))
        most = int(counts.max())
        slots = np.zeros((len(counts), most), dtype=np.int64)
        back = np.zeros(len(of), dtype=np.int64)
        filled = np.zeros(len(counts), dtype=np.int64)
        for row, context in enumerate(of):
            slots[context, filled[context]] = row
            back[row] = context * most + filled[context]
            filled[context] += 1
        self.slots = torch.from_numpy(slots).to(self.device)
        self.back = torch.from_numpy(back).to(self.device)
        self._bias: dict[int | None, torch.Tensor] = {}

    def _append(
        self, layer: int, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows' own keys and values with the new ones, (rows, heads, tokens, size)."""
        room = self.own.get(layer)
        if room is None or self.length == room[0].shape[2]:
            room = self.own[layer] = (
                self._grown(key, room and room[0]),
                self._grown(value, room and room[1]),
            )
        for whole, new in zip(room, (key, value), strict=True):
            whole[:, :, self.length] = new[:, :, 0]
        return room[0][:, :, : self.length + 1], room[1][:, :, : self.length + 1]

    def _grown(self, like: torch.Tensor, old: torch.Tensor | None) -> torch.Tensor:
        room = like.new_zeros(*like.shape[:2], self.length + GROWTH, like.shape[3])
        if old is not None:
            room[:, :, : self.length] = old
        return room

    def _to_slots(self, x: torch.Tensor) -> torch.Tensor:
        """(rows, heads, group, n) -> (contexts, heads, slots · group, n)."""
        contexts, most = self.slots.shape
        placed = x[self.slots.flatten()].unflatten(0, (contexts, most))
        return placed.transpose(1, 2).flatten(2, 3)

    def _from_slots(self, x: torch.Tensor, rows: int) -> torch.Tensor:
        """(contexts, heads, slots · group, n) -> (rows, heads, group, n)."""
        placed = x.unflatten(2, (self.slots.shape[1], -1)).transpose(1, 2)
        return placed.flatten(0, 1)[self.back][:rows]

    def _hidden(self, window: int | None, width: int, dtype: torch.dtype) -> torch.Tensor:
        """What is added to the scores, (rows, 1, 1, keys): 0, or the lowest number."""
        if window not in self._bias:
            length = self.row_length[:, None]
            at = torch.arange(width, device=self.device)[None]
            own = torch.arange(self.length + 1, device=self.device)[None]
            place = torch.cat([at.expand(len(length), -1), length + own], dim=1)
            seen = torch.cat([at < length, (own >= 0).expand(len(length), -1)], dim=1)
            if window is not None:
                seen &= length + self.length - place < window
            bias = torch.zeros(seen.shape, dtype=dtype, device=self.device)
            bias.masked_fill_(~seen, torch.finfo(dtype).min)
            self._bias[window] = bias[:, None, None]
        return self._bias[window]


class PlainDecoder:
    """Texts of a model that goes the plain way, in one padded batch.

    What the model keeps of the tokens before is its own affair; one that keeps nothing, or is
    not to (`cached`), is given all of them again. `short`: it computes the last logits alone.
    """

    def __init__(
        self, model: Any, rows: Sequence[Ids], pad: int, *, cached: bool = True, short: bool = True
    ) -> None:
        self.model = model
        self.cached = cached
        self.further = {"logits_to_keep": 1} if short else {}
        width = max(map(len, rows))
        ids = [[pad] * (width - len(row)) + list(row) for row in rows]
        seen = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        self.ids = torch.tensor(ids, device=model.device)
        self.seen = torch.tensor(seen, device=model.device)
        self.cache: Any = None

    def first(self) -> torch.Tensor:
        """The whole contexts in one pass."""
        return self._run(self.ids.shape[1])

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """One token more."""
        self.ids = torch.cat([self.ids, tokens[:, None].to(self.ids)], dim=1)
        self.seen = torch.cat([self.seen, self.seen.new_ones(len(tokens), 1)], dim=1)
        return self._run(self.ids.shape[1] if self.cache is None else 1)

    def keep(self, rows: Sequence[int]) -> None:
        """Select the rows in the model's own cache."""
        index = torch.tensor(list(rows), device=self.ids.device)
        if self.cache is not None:
            self.cache.reorder_cache(index)
        self.ids, self.seen = self.ids[index], self.seen[index]

    def _run(self, last: int) -> torch.Tensor:
        """The logits behind the last so many tokens."""
        positions = (self.seen.cumsum(-1) - 1).clamp(min=0)
        cached = {} if self.cache is None else {"past_key_values": self.cache}
        out = self.model(
            input_ids=self.ids[:, -last:],
            attention_mask=self.seen,
            position_ids=positions[:, -last:],
            use_cache=self.cached,
            **self.further,
            **cached,
        )
        self.cache = getattr(out, "past_key_values", None) if self.cached else None
        logits: torch.Tensor = out.logits[:, -1].float()
        return logits


class ApartDecoder:
    """Texts in batches without padding, for models that take padding for text.

    Contexts of one length go together, or (`anew`) each text alone and whole at every step,
    which is right by definition.
    """

    def __init__(
        self, model: Any, rows: Sequence[Ids], pad: int, *, anew: bool, short: bool = True
    ) -> None:
        groups: dict[int, list[int]] = {}
        for i, row in enumerate(rows):
            groups.setdefault(i if anew else len(row), []).append(i)
        self.parts = [
            (i, PlainDecoder(model, [rows[n] for n in i], pad, cached=not anew, short=short))
            for i in groups.values()
        ]

    def first(self) -> torch.Tensor:
        """Each batch's contexts in one pass."""
        return self._gather([decoder.first() for _, decoder in self.parts])

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """One token more of each row."""
        return self._gather([decoder.step(tokens[group]) for group, decoder in self.parts])

    def keep(self, rows: Sequence[int]) -> None:
        """Let the other rows go, and the batches nobody is left in."""
        place = {row: i for i, row in enumerate(rows)}
        kept = []
        for group, decoder in self.parts:
            inside = [i for i, row in enumerate(group) if row in place]
            if inside:
                decoder.keep(inside)
                kept.append(([place[group[i]] for i in inside], decoder))
        self.parts = kept

    def _gather(self, found: Sequence[torch.Tensor]) -> torch.Tensor:
        """The batches' logits in the order of the rows."""
        order = [row for group, _ in self.parts for row in group]
        logits = torch.cat(list(found))
        return logits[torch.tensor(np.argsort(order), device=logits.device)]


def plain_decoder(
    model: Any, rows: Sequence[Ids], pad: int, manner: Manner, *, short: bool = True
) -> Decoder:
    """The decoder of a manner."""
    if manner == "padded":
        return PlainDecoder(model, rows, pad, short=short)
    return ApartDecoder(model, rows, pad, anew=manner == "anew", short=short)
