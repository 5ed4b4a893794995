"""A study's YAML as a file: what may be read in two ways is refused, and where things stand.

Hydra reads YAML 1.1, in which `yes` is true, 12:30 is 750 and 012 is 10; a reader of YAML 1.2 takes
them for text, and so do people. Whatever the two would read differently is refused with its line,
so that what stands in a study's file is what is asked. Numbers that are spelt in an unusual way
are refused too: they would be asked in the usual one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf._utils import get_yaml_loader

from grace.config.printable import look, spelt, writable
from grace.config.validation_messages import QUOTES, REFERENCE, shown
from grace.errors import ConfigError

#: Entries whose value is true or false and nothing else.
SWITCHES = ("optional",)
#: More entries than any study has; an alias of an alias of an alias makes more of few lines.
MOST = 200_000
#: Scalars of YAML 1.2's core schema (chapter 10.3.2 of its specification).
_CORE = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
}
#: What PyYAML says, and what is better said of it.
_SAID = (
    ("mapping values are not allowed", f"a colon in a text; {QUOTES}"),
    (r"character '\t' that cannot start", "a tab; YAML takes blanks only"),
    ("that cannot start any token", f"a text that begins with a sign of YAML's own; {QUOTES}"),
    ("found undefined alias", f"a text that begins with *; {QUOTES}"),
    ("while scanning a quoted scalar", "a quotation mark that is not closed"),
    ("could not find expected ':'", "a line that is neither an entry (NAME: VALUE) nor text"),
    ("found duplicate key", "a name that stands twice"),
)


class StudyFile:
    """A study's YAML: checked as a file, and where each of its settings stands."""

    def __init__(self, path: Path) -> None:
        """Read and check it; ConfigError for what is no YAML, or could be read in two ways."""
        self.path = path
        text = _decode(path)
        try:
            loader = get_yaml_loader()(text)  # what Hydra reads with
            root = loader.get_single_node()
            if not isinstance(root, yaml.MappingNode):
                raise ConfigError(f"{path}: expected a study's settings, as in NAME: VALUE")
            self.root = root
            _refuse_defaults(path, root)
            _refuse_endless(path, root)
            for node, key in _scalars(root):
                self._check_scalar(node, key)
            for part, name in _nodes(root):
                if isinstance(part, yaml.MappingNode):
                    self._check_names(part, name)
            self.values = loader.construct_document(root)
        except (yaml.YAMLError, ValueError, TypeError) as error:
            raise ConfigError(_syntax(path, error)) from error
        except RecursionError as error:
            raise ConfigError(f"{path}: nested too deeply to be read") from error

    def locate(self, loc: Sequence[str | int], found: Any) -> str:
        """The place of a setting such as study.title, if it has this value in the file."""
        if not loc or loc[0] != "study":
            return ""
        node: yaml.Node = self.root
        value: Any = self.values
        for part in loc[1:]:
            inner = _inner(node, part)
            if inner is None:
                continue
            node = inner
            if isinstance(value, dict):
                value = next((v for k, v in value.items() if str(k) == str(part)), value)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
        if not _alike(value, found):
            return ""  # it was set elsewhere, as on the command line
        return f"{self.path}, line {_line(node)}: "

    def _check_scalar(self, node: yaml.ScalarNode, key: str | None) -> None:
        value, place = node.value, f"{self.path}, line {_line(node)}"
        if "\0" in value or writable(value) != value:
            raise ConfigError(f"{place}: {shown(value)}: expected text in UTF-8, without NUL")
        if value == "???":
            raise ConfigError(f'{place}: "???" stands for a value that is missing; write another')
        if REFERENCE.search(value):
            raise ConfigError(
                f"{place}: {shown(value)}: ${{…}} would be filled in, from another setting or from "
                "this machine; expected the text itself, or \\${ for the signs themselves"
            )
        if node.style is not None or key in SWITCHES:
            return
        kind = node.tag.rpartition(":")[2]
        core = next((name for name, form in _CORE.items() if form.fullmatch(value)), "str")
        if kind == "merge" or (kind == core and (kind != "int" or _usual(value))):
            return
        if kind not in (*_CORE, "str", "value"):
            raise ConfigError(f"{place}: a tag of YAML's (!); a study has text and numbers only")
        raise ConfigError(f"{place}: {value}: {_readings(kind, core)}; {QUOTES}")

    def _check_names(self, mapping: yaml.MappingNode, name: str | None) -> None:
        seen: set[str] = set()
        alike: dict[str, str] = {}  # by what people see of them
        for key, _ in mapping.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{self.path}, line {_line(key)}: expected text as a name")
            if key.tag.endswith((":null", ":bool", ":float")):
                raise ConfigError(
                    f"{self.path}, line {_line(key)}: {key.value or 'nothing'} as a name; {QUOTES}"
                )
            if key.value in seen and not key.tag.endswith(":merge"):
                raise ConfigError(
                    f"{self.path}, line {_line(key)}: {key.value} stands twice; expected each "
                    "name once"
                )
            seen.add(key.value)
            other = alike.setdefault(look(key.value), key.value)
            if other != key.value and name != "aliases":  # which may name every spelling
                raise ConfigError(
                    f"{self.path}, line {_line(key)}: {spelt(key.value)} looks like "
                    f"{spelt(other)}, which stands there too; expected one of them"
                )


def _refuse_defaults(path: Path, root: yaml.MappingNode) -> None:
    """Refuse Hydra's list of files to merge: a study is one file, and says all that it asks."""
    for key, _ in root.value:
        if key.value == "defaults":
            raise ConfigError(
                f"{path}, line {_line(key)}: defaults would merge other files into the study; a "
                "study is one file; remove it"
            )


def _decode(path: Path) -> str:
    """The file's text; ConfigError says where it stops being UTF-8."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        letter = content[error.start : error.start + 1].decode("cp1252", "replace")
        raise ConfigError(
            f"{path}, line {line}: not UTF-8 text (found a {letter!r} as Windows-1252 has it, or "
            "another encoding); save the file as UTF-8"
        ) from error


def _syntax(path: Path, error: Exception) -> str:
    """What PyYAML says of a file, in a sentence with its line."""
    said = " ".join(str(error).split())
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f"{path}, line {mark.line + 1}" if mark else str(path)
    for part, better in _SAID:
        if part in said:
            return f"{place}: {better}"
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or said
    return f"{place}: no valid YAML: {problem}"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _refuse_endless(path: Path, root: yaml.Node) -> None:
    """Refuse a file that contains itself, or that grows without measure."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, above: frozenset[int]) -> int:
        if id(node) in above:
            raise ConfigError(f"{path}, line {_line(node)}: an alias (*) inside what it stands for")
        if id(node) not in sizes:
            inside = above | {id(node)}
            sizes[id(node)] = 1 + sum(size(child, inside) for child in _children(node))
        return sizes[id(node)]

    if size(root, frozenset()) > MOST:
        raise ConfigError(f"{path}: its aliases (*) make more than {MOST:,} entries")


def _nodes(root: yaml.Node) -> Iterator[tuple[yaml.Node, str | None]]:
    """Each node once, a value with the name of its entry."""
    seen: set[int] = set()
    waiting: list[tuple[yaml.Node, str | None]] = [(root, None)]
    while waiting:
        node, name = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node, name
        if isinstance(node, yaml.MappingNode):
            for key, value in reversed(node.value):
                waiting += [(value, str(key.value)), (key, None)]
        else:
            waiting += [(child, None) for child in reversed(_children(node))]


def _scalars(root: yaml.Node) -> Iterator[tuple[yaml.ScalarNode, str | None]]:
    return ((node, key) for node, key in _nodes(root) if isinstance(node, yaml.ScalarNode))


def _inner(node: yaml.Node, part: str | int) -> yaml.Node | None:
    """The node one step further in, if there is one."""
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if str(key.value) == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        inner: yaml.Node = node.value[part]
        return inner
    return None


def _alike(written: Any, found: Any) -> bool:
    """Whether a value is the file's own, or part of what the file has there."""
    if isinstance(written, (dict, list)) and isinstance(found, (dict, list, tuple)):
        return str(written) == str(list(found) if isinstance(found, tuple) else found)
    return isinstance(written, (dict, list)) or str(written) == str(found)


def _usual(value: str) -> bool:
    """Whether a whole number is spelt as it would be printed."""
    return value.isascii() and value.removeprefix("-").isdecimal() and str(int(value)) == value


def _readings(kind: str, core: str) -> str:
    """How a scalar is read by YAML 1.1, and how by 1.2."""
    if kind == core:
        return "a number that is not spelt as it would be printed"
    names = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}
    names["value"] = "a sign of YAML's own"  # an equals sign by itself
    return (
        f"without quotation marks it is {names.get(kind, 'text')} to some and "
        f"{names.get(core, 'text')} to others"
    )
