"""Whatever is done to two stores, in any order: they hold what a dictionary would hold."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from grace.store import Store, StoreConflictError, merge
from grace.types import Answer, Failure
from tests.store.answers import INFO, drawn, exact, failed, scored

ENGINES = (INFO, replace(INFO, revision="another"))
NUMBERS = range(6)
#: Within the tolerance of each other, and outside of it.
SHIFTS = (0.0, 1e-5, 0.3)

Key = tuple[int, str]  # engine and prompt

names = st.sampled_from(["left", "right"])
engines = st.integers(0, 1)
answers = st.one_of(
    st.builds(scored, st.sampled_from(NUMBERS), st.sampled_from(SHIFTS)),
    st.builds(drawn, st.sampled_from(NUMBERS), st.sampled_from(["good", "bad"])),
    st.builds(failed, st.sampled_from(NUMBERS), st.sampled_from(["slow", "gone"])),
)
KEYS = [make(n)[0].key for n in NUMBERS for make in (scored, drawn)]


@dataclass
class Model:
    """What a store holds: answers, and failures with how often."""

    answers: dict[Key, Any] = field(default_factory=dict)
    failures: dict[Key, tuple[str, int]] = field(default_factory=dict)

    def add(self, engine: int, key: str, answer: Answer) -> bool:
        place = (engine, key)
        if place in self.answers:
            return False
        if isinstance(answer, Failure):
            count = self.failures.get(place, ("", 0))[1]
            self.failures[place] = (answer.reason, count + 1)
        else:
            self.answers[place] = answer
            self.failures.pop(place, None)
        return True

    def copy(self) -> Model:
        return Model(dict(self.answers), dict(self.failures))


class StoreMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.clock = patch("grace.store.store.COMMIT_SECONDS", math.inf)  # not by the clock
        self.clock.start()
        self.folder = Path(tempfile.mkdtemp())
        self.stores = {name: Store.open(self.folder / name) for name in ("left", "right")}
        self.models = {name: Model() for name in self.stores}
        self.safe = {name: Model() for name in self.stores}  # what has been committed

    @rule(name=names, engine=engines, pair=answers)
    def add(self, name: str, engine: int, pair: Any) -> None:
        prompt, answer = pair
        new = self.models[name].add(engine, prompt.key, answer)
        assert self.stores[name].add(ENGINES[engine], prompt, answer) == new

    @rule(name=names, engine=engines, pairs=st.lists(answers, max_size=8))
    def add_batch(self, name: str, engine: int, pairs: list[Any]) -> None:
        new = sum(self.models[name].add(engine, p.key, answer) for p, answer in pairs)
        assert self.stores[name].add_batch(ENGINES[engine], pairs) == new

    @rule(name=names, engine=engines, key=st.sampled_from([*KEYS, "a query"]))
    def fail(self, name: str, engine: int, key: str) -> None:
        new = self.models[name].add(engine, key, Failure("too long"))
        assert self.stores[name].fail(ENGINES[engine], key, Failure("too long")) == new

    @rule(name=names)
    def flush(self, name: str) -> None:
        self.stores[name].flush()
        self.safe[name] = self.models[name].copy()

    @rule(name=names)
    def close(self, name: str) -> None:
        self.stores[name].close()
        self.safe[name] = self.models[name].copy()
        self.stores[name] = Store.open(self.folder / name)

    @rule(name=names)
    def crash(self, name: str) -> None:
        """The process ends without a word: what was not committed is gone, all else is not."""
        self.stores[name].database.close()
        self.models[name] = self.safe[name].copy()
        self.stores[name] = Store.open(self.folder / name)

    @rule(name=names, engine=engines, keys=st.lists(st.sampled_from(KEYS)))
    def read(self, name: str, engine: int, keys: list[str]) -> None:
        store, model = self.stores[name], self.models[name]
        known = [key for key in keys if (engine, key) in model.answers]
        info = ENGINES[engine]
        assert store.missing(info, keys) == [key for key in keys if key not in known]
        found = list(store.answers(info, keys))
        assert exact(found) == exact([(key, model.answers[engine, key]) for key in known])
        assert [key for key, _ in store.prompts(known)] == known
        self.flush(name)  # as reading does

    @rule(name=names, onto=st.sampled_from(["left", "right", "new"]))
    def merge(self, name: str, onto: str) -> None:
        self.flush("left")
        self.flush("right")
        ours = self.models.get(onto, Model())
        theirs = self.models[name]
        conflict = any(
            differ(answer, theirs.answers[place])
            for place, answer in ours.answers.items()
            if place in theirs.answers
        )
        out = self.folder / onto
        try:
            merged = merge(out, [self.folder / name])
        except StoreConflictError:
            assert conflict
            return
        assert not conflict
        both = theirs.answers | ours.answers
        if onto != name:
            assert merged.answers == len(both) - len(ours.answers)
        if onto == "new":
            with Store.open(out) as store:
                check(store, Model(both, theirs.failures))
            out.unlink()
            return
        failures = theirs.failures | ours.failures
        left = {place: failure for place, failure in failures.items() if place not in both}
        for place in left.keys() & theirs.failures.keys() & ours.failures.keys():
            left[place] = self.later(place, onto, name)
        assert merged.failures == len(left)
        self.models[onto] = Model(both, left)
        self.safe[onto] = self.models[onto].copy()

    def later(self, place: Key, onto: str, name: str) -> tuple[str, int]:
        """Of two failures the later stays; either may be, for the model keeps no time."""
        (record,) = self.stores[onto].failure_records(ENGINES[place[0]], [place[1]])
        found = (record.failure.reason, record.count)
        assert found in (self.models[onto].failures[place], self.models[name].failures[place])
        return found

    @invariant()
    def holds_what_is_committed(self) -> None:
        for name in getattr(self, "stores", {}):
            with Store.open(self.folder / name, read_only=True) as store:
                check(store, self.safe[name])

    def teardown(self) -> None:
        if not hasattr(self, "stores"):
            return
        for name, store in self.stores.items():
            store.close()
            with Store.open(self.folder / name, read_only=True) as reader:
                check(reader, self.models[name])
        self.clock.stop()
        shutil.rmtree(self.folder)


def differ(ours: Any, theirs: Any) -> bool:
    """Whether two of our answers conflict: told from how they were made."""
    if hasattr(ours, "text"):
        return bool(ours.text != theirs.text)
    return bool(abs(ours.options[0].logprob - theirs.options[0].logprob) > 0.1)


def check(store: Store, model: Model) -> None:
    """A store holds exactly what the model does."""
    for engine, info in enumerate(ENGINES):
        answers = {k: a for (e, k), a in model.answers.items() if e == engine}
        failures = {k: f for (e, k), f in model.failures.items() if e == engine}
        assert exact(sorted(store.answers(info, KEYS), key=lambda pair: pair[0])) == exact(
            sorted(answers.items())
        )
        found = {r.key: (r.failure.reason, r.count) for r in store.failure_records(info)}
        assert found == failures
        counts = store.counts(info)
        assert (counts.answers, counts.failures) == (len(answers), len(failures))


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
