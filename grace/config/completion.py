"""Completion in the shell: the words typed so far in, what may stand next out.

Neither Hydra nor anything heavy is imported: each press of the Tab key starts this anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grace.config.manual import Command
from grace.config.manual.commands import COMMANDS, RUN
from grace.config.manual.settings import GROUPS
from grace.config.resources import choices
from grace.errors import ConfigError

#: What `eval "$(grace completion SHELL)"` gives to each shell. Bash splits words at "=" and ":",
#: so that it is given what stands behind the last of them; zsh takes words whole.
SCRIPTS = {
    "bash": r"""_grace() {
  local word="${COMP_LINE:0:COMP_POINT}"
  local IFS=$'\n'
  COMPREPLY=($(grace completion words "$word"))
  local typed="${word##* }" index
  if [[ "$typed" == *=* && "$COMP_WORDBREAKS" == *=* ]]; then
    for index in "${!COMPREPLY[@]}"; do COMPREPLY[index]="${COMPREPLY[index]#"${typed%=*}="}"; done
  fi
  [[ "${COMPREPLY[*]}" == *= ]] && compopt -o nospace
  return 0
}
complete -o default -F _grace grace""",
    "zsh": r"""_grace() {
  local -a found
  found=("${(@f)$(grace completion words "${(j: :)words[1,CURRENT]}")}")
  [[ -z "$found" ]] && { _files; return }
  if [[ "$found" == *= ]]; then compadd -S '' -a found; else compadd -a found; fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u }
compdef _grace grace""",
}


def main(words: Sequence[str], commands: Sequence[str]) -> None:
    """`grace completion bash|zsh` prints the shell's part; `words LINE` what may stand next."""
    match list(words):
        case [shell] if shell in SCRIPTS:
            print(SCRIPTS[shell])
        case ["words", line]:
            print("\n".join(candidates(line, commands)))
        case _:
            raise ConfigError(f"expected grace completion {' or '.join(SCRIPTS)}")


def candidates(line: str, commands: Sequence[str]) -> list[str]:
    """What the last word of a command line may become; none where a file is expected."""
    words = line.split(" ")
    typed = words[-1]
    if len(words) <= 2:
        return [name for name in (*commands, "completion") if name.startswith(typed)]
    command = COMMANDS.get(words[1])
    if command is None:
        return [shell for shell in SCRIPTS if words[1] == "completion" and shell.startswith(typed)]
    if "=" in typed:
        found = (f"{name}={value}" for name, value in _values(command, typed))
    else:
        found = (f"{name}=" for name in _names(command))
    return [word for word in found if word.startswith(typed)]


def _names(command: Command) -> Iterator[str]:
    """The settings a command takes; those of a run begin with its groups."""
    settings = command.settings
    yield from GROUPS if {*RUN.settings} <= {*settings} else ()
    yield from (setting.name for setting in settings if not setting.name.endswith("NAME"))


def _values(command: Command, typed: str) -> Iterator[tuple[str, str]]:
    """A setting's name with each value that can be listed: names of a group, true and false."""
    name = typed.partition("=")[0]
    if name in GROUPS and {*RUN.settings} <= {*command.settings}:
        *before, _ = typed.removeprefix(f"{name}=").rpartition(",")  # of a sweep: model=a,b
        yield from ((name, "".join(before) + choice) for choice in choices(name))
    elif (setting := command.setting(name)) and setting.kind == "switch":
        yield from ((name, value) for value in ("true", "false"))
