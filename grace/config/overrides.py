r"""From the words of a command line to those that Hydra reads.

Hydra's own language knows lists, mappings, numbers and sweeps, and refuses what is none of them:
`data=Größe.csv` or `data=a (1).csv`. Here text and paths are taken as they are written, a choice
of a group may be a number (`study=1`), and what Hydra cannot read at all is text, for the check
of settings to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

from grace.config.manual import Kind
from grace.config.manual.settings import ALL, GROUPS, NAMES, OF_COMMANDS
from grace.config.printable import one_line
from grace.config.refuse_code import refuse_words
from grace.config.resources import choices, expand
from grace.config.validation_messages import REFERENCE, near
from grace.errors import ConfigError

#: vLLM has hundreds of arguments and the configuration names a few: others may be added.
_VLLM_ARGUMENT = re.compile(r"serve\.args\.(?P<name>[A-Za-z0-9_-]+)(?P<rest>\..*)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*")
_WORD = re.compile(r"(?P<how>\+{1,2}|~)?(?P<name>[^=]*)(?P<equals>=?)(?P<value>.*)", re.S)
#: A whole value in quotation marks, as Hydra reads them.
_QUOTED = re.compile(r"""\s*('([^'\\]|\\.)*'|"([^"\\]|\\.)*")\s*""", re.S)
QUOTES = "'\""
#: Settings whose text is asked.
ASKED = ("exp.answer_prefix", "exp.base_answer_prefix")
_GLOB = re.compile(r"\s*glob\s*\(\s*([^,()]+?)\s*\)\s*")
_SWEEP = re.compile(r"\s*(choice|range|glob|sort|shuffle|tag)\s*\(.*\)\s*", re.S)


@dataclass(frozen=True)
class Word:
    """A setting as it was typed."""

    typed: str
    how: str  # "", "+", "++" or "~", as in Hydra
    name: str
    value: str | None  # None where there is no equals sign

    @property
    def kind(self) -> Kind | None:
        """What its value is, where that is known."""
        if self.name in GROUPS:
            return "choice"
        known = ALL.get(self.name) or OF_COMMANDS.get(self.name)
        return known.kind if known else None


def read_words(words: Sequence[str]) -> list[Word]:
    """The words apart; ConfigError where one is no setting=value, or would name code."""
    found = []
    for typed in words:
        if not isinstance(typed, str):
            raise ConfigError(f'{typed!r}: expected a setting as text, "name=value"')
        parts = _WORD.fullmatch(typed)
        assert parts is not None  # it fits everything
        how, name, equals = parts["how"] or "", parts["name"], parts["equals"]
        if not name or not (equals or how == "~"):
            raise ConfigError(f"{_told(typed)!r}: expected setting=value{_meant(typed, words)}")
        refuse_words([typed])
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{_told(name)}: no such setting{near(name, NAMES)}")
        if "\0" in typed or any("\ud800" <= character <= "\udfff" for character in typed):
            raise ConfigError(f"{_told(typed)!r}: expected text in UTF-8, without NUL")
        if name.startswith("hydra"):
            raise ConfigError(f"{name}: no such setting; Hydra's own are not Grace's")
        _refuse_reference(typed, name, parts["value"])
        found.append(Word(typed, how, name, parts["value"] if equals else None))
    _refuse_two_spellings(found)
    return found


def given_twice(words: Sequence[str]) -> list[str]:
    """What to say of settings with two values, of which the last counts."""
    last: dict[str, str] = {}
    said: dict[str, str] = {}
    for word in read_words(words):
        if word.value is None or word.how in ("+", "~"):
            continue
        value = word.value.strip().strip(QUOTES)
        before = last.get(word.name, value)
        last[word.name] = value
        if before != value:
            said[word.name] = (
                f"{word.name} is given as {_told(before)} and as {_told(value)}; the last counts"
            )
    return list(said.values())


def _refuse_two_spellings(words: Sequence[Word]) -> None:
    """Refuse an argument of vLLM's with two values, in two spellings: neither would be the last."""
    seen: dict[str, Word] = {}
    for word in words:
        if word.value is None or not _VLLM_ARGUMENT.fullmatch(word.name):
            continue
        before = seen.setdefault(word.name.replace("_", "-"), word)
        if before.name != word.name and before.value != word.value:
            raise ConfigError(
                f"{_told(before.typed)} and {_told(word.typed)}: one argument in two spellings; "
                "expected it once"
            )


def _refuse_reference(typed: str, name: str, value: str) -> None:
    """Refuse ${…} in what is asked: it would be filled in, from this machine too."""
    asked = name in ASKED or (name.startswith("study.") and name != "study.data")
    if asked and REFERENCE.search(value):
        raise ConfigError(
            f"{_told(typed)}: ${{…}} would be filled in, from another setting or from this "
            "machine; expected the text itself, or \\${ for the signs themselves"
        )


def as_overrides(words: Sequence[str]) -> list[str]:
    """Hydra's overrides of one run."""
    return [_override(word) for word in read_words(words)]


def sweep(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The runs of a sweep, every combination: what is its own of each, and Hydra's overrides."""
    found = [(word, list(_each(word))) for word in read_words(words)]
    runs = []
    for chosen in product(*(overrides for _, overrides in found)):
        varied = [
            f"{word.name}={_bare(one)}"
            for (word, overrides), one in zip(found, chosen, strict=True)
            if len(overrides) > 1
        ]
        runs.append((" ".join(varied) or "as given", list(chosen)))
    return runs


def varied_names(words: Sequence[str]) -> tuple[str, ...]:
    """The settings that vary in a sweep."""
    return tuple(word.name for word in read_words(words) if len(list(_each(word))) > 1)


def _bare(override: str) -> str:
    """An override's value as it is told: without quotation marks."""
    return one_line(override.partition("=")[2].strip(QUOTES).replace("\\'", "'"))


def quoted(text: str) -> str:
    """Text as Hydra reads it unchanged: backslashes count only before a quotation mark."""
    return "'" + re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text) + "'"


def _override(word: Word) -> str:
    """One word for one run."""
    if word.value is None or word.how == "~":
        return word.typed
    if _several(word, word.value):
        raise ConfigError(f"{_told(word.typed)}: several values; expected one, or --multirun")
    return f"{_key(word)}={_value(word, word.value)}"


def _several(word: Word, value: str) -> bool:
    """Whether a value can only be meant for a sweep."""
    if word.kind in ("text", "path", "list") or _QUOTED.fullmatch(value):
        return False
    if word.kind is None:  # of a study, or of vLLM: what Hydra can read as several
        return type(_parsed(value)).__name__.endswith("Sweep")
    return bool(_SWEEP.fullmatch(value)) or len(split(value)) > 1


def _key(word: Word) -> str:
    if argument := _VLLM_ARGUMENT.fullmatch(word.name):
        return f"++serve.args.{argument['name'].replace('_', '-')}{argument['rest'] or ''}"
    if word.name.startswith("model.") and word.name in ALL and not word.how:
        return f"++{word.name}"  # a model's file names only what it needs
    return f"{word.how}{word.name}"


def _value(word: Word, value: str) -> str:
    """A value in Hydra's language."""
    kind = word.kind
    if word.name in GROUPS and value.strip("'\" ").lower() in ("", "null"):
        raise ConfigError(f"{_told(word.typed)}: expected one of {', '.join(choices(word.name))}")
    if _QUOTED.fullmatch(value) or value.strip().lower() == "null":
        return value
    if kind == "path":
        return quoted(_path(word, value))
    if kind == "choice":
        return quoted(value.strip())
    read = _parsed(value)
    if kind == "text":
        return quoted(read if isinstance(read, str) else value.strip())
    if kind == "list" and not isinstance(read, list):
        inner = value.strip().removeprefix("[").removesuffix("]")
        return f"[{','.join(quoted(part.strip()) for part in split(inner))}]"
    return quoted(value) if read is _UNREADABLE else value


def _path(word: Word, value: str) -> str:
    r"""A path as written, or as Hydra's escapes (`a\,b`) have it where only that is there."""
    if not value:
        return value
    if "${" in value and _there(value):
        return value.replace("${", "\\${")
    if "\\" in value and not _there(value):
        read = _parsed(value)
        if isinstance(read, str) and _there(read):
            return read
    if word.name == "data" and not _there(value):
        parts = value.split(",")
        if len(parts) > 1 and all(_there(part) for part in parts):
            raise ConfigError(
                f"data={value}: no such file; expected one, or --multirun for a run of each"
            )
    return value


def _there(path: str) -> bool:
    try:
        return Path(expand(path)).exists()
    except OSError:  # too long
        return False


_UNREADABLE: Any = object()


def _parsed(value: str) -> Any:
    """The value as Hydra reads it, text without its quotation marks; _UNREADABLE where not."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(f"x={value}").value()
    except (HydraException, ValueError, RecursionError):  # ValueError: 5,000 digits
        return _UNREADABLE


def _each(word: Word) -> Iterator[str]:
    """One word for each run of a sweep."""
    value = word.value
    if value is None or word.how == "~":
        yield word.typed
        return
    if _SWEEP.fullmatch(value):
        for found in _swept(word):
            yield f"{_key(word)}={_value(word, found)}"
        return
    for part in split(value):
        yield f"{_key(word)}={_value(word, part)}"


def _swept(word: Word) -> list[str]:
    """The values of choice(...), range(...) and Hydra's other sweeps."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    pattern = _GLOB.fullmatch(str(word.value))
    if pattern and word.name in GROUPS:
        return [name for name in choices(word.name) if fnmatchcase(name, pattern[1])]
    try:
        override = OverridesParser.create().parse_override(f"x={word.value}")
        if override.is_discrete_sweep():
            return list(override.sweep_string_iterator())
    except (HydraException, ValueError, TypeError, RecursionError, OverflowError) as error:
        said = one_line(str(error.__cause__ or error))
        raise ConfigError(
            f"{_told(word.typed)!r}: expected values to sweep over; {said}"
        ) from error
    return [quoted(str(word.value))]


def split(value: str) -> list[str]:
    """A value at its commas, those in brackets and quotation marks left alone."""
    parts, depth, mark, start = [], 0, "", 0
    for place, character in enumerate(value):
        if mark:
            mark = "" if character == mark and value[place - 1] != "\\" else mark
        elif character in "'\"" and not value[start:place].strip(" [{(,:"):
            mark = character
        elif character in "[{(":
            depth += 1
        elif character in "]})":
            depth -= 1
        elif character == "," and depth <= 0 and value[place - 1 : place] != "\\":
            parts.append(value[start:place])
            start = place + 1
    if mark or depth:  # not in pairs: every comma counts
        return value.split(",")
    return [*parts, value[start:]]


def _told(text: str) -> str:
    return one_line(text, 120)


def _meant(typed: str, words: Sequence[str]) -> str:
    """A hint for a word that is a setting's name without a value, or follows one."""
    bare = typed.lstrip("-+~")
    if bare in NAMES:
        return f", such as {ALL[bare].written if bare in ALL else bare + '=1'}"
    place = list(words).index(typed)
    before = str(words[place - 1]) if place else ""
    if "=" in before and not before.startswith("-"):
        return f"; a value with spaces is put in quotation marks: '{_told(f'{before} {typed}')}'"
    return ""
