"""Completion in the shell: the words typed so far in, what may stand next out.

Neither Hydra nor anything heavy is imported: each press of the Tab key starts this anew.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress

from grace.config.manual import Command
from grace.config.manual.commands import COMMANDS, RUN
from grace.config.manual.settings import GROUPS
from grace.config.manual.show import flags_of
from grace.config.resources import choices
from grace.errors import ConfigError

#: What `eval "$(grace completion SHELL)"` gives to each shell. It asks `completion words` with the
#: line up to the cursor and the part that the shell would replace: bash splits words at "=".
#: Where it is told of files, it completes those too.
SCRIPTS = {
    "bash": r"""_grace() {
  local IFS=$'\n' kind
  COMPREPLY=($("${1/#\~/$HOME}" completion words "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null))
  [[ ${#COMPREPLY[@]} == 0 ]] && return
  kind="${COMPREPLY[0]}"
  COMPREPLY=("${COMPREPLY[@]:1}")
  if [[ "$kind" != files ]]; then compopt +o default 2>/dev/null
  elif [[ ${#COMPREPLY[@]} != 0 ]]; then compopt -o plusdirs 2>/dev/null; fi
  [[ "${COMPREPLY[*]}" == *[=.] ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o default -F _grace grace""",
    "zsh": r"""_grace() {
  local -a found
  local line="${(j: :)words[1,CURRENT-1]} $QIPREFIX$PREFIX"
  compset -P '*='
  found=("${(@f)$("${${(Q)words[1]}/#\~/$HOME}" completion words "$line" "$PREFIX" 2>/dev/null)}")
  [[ "$found[1]" == words ]] || _files
  found=("${(@)found[2,-1]}")
  compadd -S '' -- "${(@M)found:#*[=.]}"
  compadd -- "${(@)found:#*[=.]}"
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u }
compdef _grace grace""",
}


def complete(words: Sequence[str], commands: Sequence[str]) -> str:
    """`grace completion bash|zsh` gives the shell's part; `words LINE WORD` what may stand next.

    The first line of the latter is `words`, or `files` where those of the shell may stand too.
    """
    match list(words):
        case [shell] if shell in SCRIPTS:
            return SCRIPTS[shell]
        case ["words", line, replaced]:
            before, typed = split_line(line)
            found = [word for word in candidates(before, typed, commands) if word != typed]
            kept = len(typed.removesuffix(replaced))
            kind = "files" if _takes_files(before, typed) else "words"
            return "\n".join((kind, *(word[kept:] for word in found)))
    raise ConfigError(f"expected grace completion {' or '.join(SCRIPTS)}")


def split_line(line: str) -> tuple[list[str], str]:
    """The words of a line and the last one, at which the cursor stands and which may be unfinished.

    A quotation mark that is open there is closed.
    """
    for mark in ("", '"', "'"):
        with suppress(ValueError):
            *before, typed = shlex.split(f"{line}\0{mark}")
            return before, typed.removesuffix("\0")
    return [], line


def candidates(before: Sequence[str], typed: str, commands: Sequence[str]) -> list[str]:
    """What the word typed so far may become, behind `grace` and the words before it."""
    names = [*commands, "completion"]
    match list(before[1:]):
        case []:
            found: Iterator[str] = iter(names if typed[:1] != "-" else ["--help", "--version"])
        case ["completion"]:
            found = iter(SCRIPTS)
        case ["help"]:
            found = iter(commands)
        case [*_, "--cfg" | "-c"]:
            found = iter(["job"])
        case [name, *_] if name in COMMANDS:
            found = _of_command(COMMANDS[name], typed)
        case _:
            found = iter(())
    return [word for word in found if word.startswith(typed)]


def _of_command(command: Command, typed: str) -> Iterator[str]:
    name, equals, value = typed.partition("=")
    if equals:
        swept = "".join(value.rpartition(",")[:2])  # model=a,b
        left = [one for one in _values(command, name) if one not in swept.split(",")]
        yield from (f"{name}={swept}{one}" for one in left)
    elif typed.startswith("-"):
        yield from flags_of(command)
    else:
        yield from _names(command, typed)


def _names(command: Command, typed: str) -> Iterator[str]:
    """The settings a command takes; of a group (`model.path`) once its name is written out."""
    groups = _groups(command)
    names = [f"{group}=" for group in groups]
    names += [_settable(setting.name) for setting in command.settings]
    found = (name for name in names if name.startswith(typed))
    yield from dict.fromkeys(
        typed + part + dot if dot else name
        for name in found
        for part, dot, _ in [name[len(typed) :].partition(".")]
        if not (dot and part and typed + part in groups)
    )


def _settable(name: str) -> str:
    """As it is begun on the command line: `seed=`, and of `serve.args.NAME` what is fixed."""
    return name.removesuffix("NAME") if name.endswith("NAME") else f"{name}="


def _values(command: Command, name: str) -> Sequence[str]:
    """What a setting may be, where that can be listed."""
    if name in _groups(command):
        return choices(name)
    setting = command.setting(name)
    if setting is None:
        return ()
    return ("true", "false") if setting.kind == "switch" else setting.choices


def _takes_files(before: Sequence[str], typed: str) -> bool:
    """Whether the word may be, or end in, the name of a file."""
    command = COMMANDS.get(before[1]) if before[1:] else None
    if command is None:
        return False
    name, equals, _ = typed.partition("=")
    if not equals:
        return bool(command.words)
    setting = command.setting(name)
    return setting.kind == "path" if setting else name not in _groups(command)


def _groups(command: Command) -> Sequence[str]:
    return tuple(GROUPS) if {*RUN.settings} <= {*command.settings} else ()
