"""What can be seen in a template or an expression before it is run: the names it uses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from jinja2 import nodes
from jinja2.meta import find_undeclared_variables

from grace.config.sandbox import Environment, same_form
from grace.errors import ConfigError

#: Words that mean something else in Jinja: objects of its own and constants.
OWN = ("self", "super")
CONSTANTS = ("none", "None", "true", "True", "false", "False")
#: Names that Jinja gives a value of its own inside of a loop or a macro.
HIDDEN: tuple[tuple[type[nodes.Node], tuple[str, ...]], ...] = (
    (nodes.For, ("loop",)),
    (nodes.Macro, ("caller", "varargs", "kwargs")),
)
#: What is asked of Jinja's `loop`, and of no cell.
OF_LOOP = (
    "index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0",
    "previtem", "nextitem", "cycle", "changed",
)  # fmt: skip
#: Words of its grammar, which no name can be.
GRAMMAR = ("and", "else", "if", "in", "is", "not", "or")


def used_names(tree: nodes.Template, columns: Collection[str]) -> frozenset[str]:
    """The names of columns a source uses, those in row["…"] too."""
    used = find_undeclared_variables(tree)
    return frozenset(used if "row" in columns else (used - {"row"}) | {*_in_row(tree)})


def own_names(tree: nodes.Template) -> set[str]:
    """The objects of Jinja's own that a source uses."""
    return {node.name for node in tree.find_all(nodes.Name) if node.name in OWN}


def refuse_words_of_jinja(
    env: Environment, source: str, columns: Collection[str], where: str
) -> None:
    """Refuse the bare name of a column that means something else in Jinja."""
    tree = env.parse(source)
    used = {node.name: node.lineno for node in tree.find_all(nodes.Name) if node.name in OWN}
    used |= {word: line for line, word in _words(env, source) if word in CONSTANTS}
    for word in sorted(used.keys() & {*columns}):
        raise ConfigError(
            f"{where}, line {used[word]}: {word} is a word of Jinja's own; "
            f'the column {word} is written row["{word}"]'
        )
    for word, line in _hidden(tree):
        if word in columns:
            raise ConfigError(
                f"{where}, line {line}: {word} is Jinja's own here; the column {word} is written "
                f'row["{word}"]'
            )
    if "row" in columns and any(True for _ in _in_row(tree)):
        raise ConfigError(
            f'{where}: row["…"] is written, but a column is called row; give it another name'
        )


def refuse_numbers(tree: nodes.Template, texts: Collection[str], where: str) -> None:
    """Refuse the comparison of a column of text with a number: never equal, and no word said."""
    for node in tree.find_all(nodes.Compare):
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        name = next((n for n in map(_column, sides) if n in texts), None)
        number = next((n for n in map(_number, sides) if n is not None), None)
        if name and number is not None:
            raise ConfigError(
                f"{where}: {name} holds text, and is compared with the number {number}, which no "
                "text equals; put the number in quotation marks, or give the column "
                "`type: integer` if it is one of numbers"
            )


def written(columns: Iterable[str]) -> str:
    """Columns as templates and expressions write them."""
    return ", ".join(
        sorted(n for n in columns if n.isidentifier())
        + sorted(f'row["{n}"]' for n in columns if not n.isidentifier())
    )


def words_of_grammar(names: Iterable[str]) -> str:
    """A hint for what Jinja cannot read where columns are called as words of its grammar are."""
    found = sorted(set(names) & set(GRAMMAR))
    if not found:
        return ""
    word = found[0]
    return f' (the column {word} is written row["{word}"]: {word} is a word of Jinja\'s)'


def _words(env: Environment, source: str) -> Iterator[tuple[int, str]]:
    """The words of a source's code with their lines, attributes and arguments' names left out."""
    tokens = [token for token in env.lex(source) if token[1] != "whitespace"]
    before = ""
    for (line, kind, word), (_, _, after) in zip(tokens, [*tokens[1:], (0, "", "")], strict=True):
        if kind == "name" and before not in (".", "is", "not") and after != "=":
            yield line, word
        before = word


def _in_row(tree: nodes.Template) -> Iterator[str]:
    """The names looked up in `row`."""
    for item in tree.find_all(nodes.Getitem):
        if _is_row(item.node) and isinstance(item.arg, nodes.Const):
            yield same_form(str(item.arg.value))
    for attribute in tree.find_all(nodes.Getattr):
        if _is_row(attribute.node):
            yield same_form(attribute.attr)


def _hidden(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    """Names that are not the columns' where they stand, with their lines."""
    meant = {
        id(part.node) for part in tree.find_all(nodes.Getattr) if part.attr in OF_LOOP
    }  # loop.index
    for kind, names in HIDDEN:
        for outer in tree.find_all(kind):
            for node in outer.find_all(nodes.Name):
                if node.name in names and id(node) not in meant:
                    yield node.name, node.lineno


def _is_row(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "row"


def _column(node: nodes.Node) -> str | None:
    """The column that stands here by itself."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getitem) and _is_row(node.node) and isinstance(node.arg, nodes.Const):
        return str(node.arg.value)
    return None


def _number(node: nodes.Node) -> float | None:
    """A number, or the first of a list that holds nothing else."""
    if isinstance(node, (nodes.List, nodes.Tuple)):
        values = [item.value if isinstance(item, nodes.Const) else None for item in node.items]
    elif isinstance(node, nodes.Const):
        values = list(node.value) if isinstance(node.value, (list, tuple)) else [node.value]
    else:
        return None
    whole = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    return values[0] if values and whole else None
