"""How an answer is set: what is struck out goes, what is only decoration is taken off.

LaTeX, HTML and crossed-out text stand around answers as models write them for a page. Only what
is known is taken off; an unknown command stays, so that what it means ("not") is not lost.
"""

from __future__ import annotations

from html import unescape

import regex

_STRUCK = regex.compile(
    r"<!--.{0,5000}?(?:-->|\Z)|~~(?=\S)[^~]{0,1000}?(?<=\S)~~"
    r"|<(s|del|strike)\b[^<>]{0,80}>.{0,500}?</\1 ?>"
    r"|\\(?:sout|st|cancel|xcancel|bcancel)\{[^{}\n]*\}"
    # Letters with a stroke laid over them.
    r"|(?:[^\n\u0335-\u0338][\u0335\u0336]|[\p{L}\p{N}][\u0337\u0338])+",
    regex.DOTALL | regex.IGNORECASE,
)
_TAGS = regex.compile(
    r"</?(?:b|i|u|em|strong|p|br|code|mark|span|div|font|center|big|answer|final_answer|response"
    r"|output|result|solution|final)\b(?:\s[^<>\n]{0,80})?\s*/?>",
    regex.IGNORECASE,
)
#: A box to tick: what stands in it says whether what follows is chosen.
_BOX = regex.compile(r"\[(?: |\u00a0)\](?= )|\[([xX✓✔√])\](?= )")
_COMMAND = regex.compile(
    r"\\(?:boxed|fbox|text|textbf|textit|textrm|textsf|texttt|emph|underline|mathrm|mathbf|mathsf"
    r"|mathit|operatorname|mbox|displaystyle)\s*\{([^{}]*)\}"
)
_FRACTION = regex.compile(r"\\[tdc]?frac\s*\{\s*([0-9]+)\s*\}\s*\{\s*([0-9]+)\s*\}")
#: A formula on one line, as Pandoc finds it: "$5 or $6" is none.
_FORMULA = regex.compile(r"\$\$([^$\n]+)\$\$|\$(?! )([^$\n]{1,200})(?<![ \\])\$(?![0-9])")
_BRACKETED = regex.compile(r"\\[(\[]([^\n]{0,200}?)\\[)\]]")
_ESCAPED = regex.compile(r"\\([%_#&{}$])")
_SPACE = regex.compile(r"\\[,;:! ]|\\q?quad\b")
_DEPTH = 6


def unset(text: str) -> str:
    """A text without what is struck out and without known decoration."""
    if "&" in text and ";" in text:
        text = unescape(text)
    if "~~" in text or "<" in text or "\\" in text or not text.isascii():
        text = _STRUCK.sub(" ", text)
    if "<" in text:
        text = _TAGS.sub(_blank, text)
    if "[" in text:
        text = _BOX.sub(lambda m: "☑" if m[1] else "☐", text)
    if "\\" in text:
        text = _latex(text)
    if "$" in text:
        text = _FORMULA.sub(lambda m: m[1] or m[2], text)
    return text


def _blank(tag: regex.Match[str]) -> str:
    """Nothing for a change of letters, a line's end for what begins a line of its own."""
    name = tag[0].strip("</> ").split()[0].lower()
    within = {"b", "i", "u", "em", "strong", "code", "mark", "span", "font", "big"}
    return "" if name in within else "\n"


def _latex(text: str) -> str:
    for _ in range(_DEPTH):
        inner = _FRACTION.sub(r"\1/\2", _COMMAND.sub(r"\1", text))
        if inner == text:
            break
        text = inner
    text = _BRACKETED.sub(r"\1", text)
    return _SPACE.sub(" ", _ESCAPED.sub(r"\1", text))
