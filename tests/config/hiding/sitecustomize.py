"""Python imports this first where its folder is in PYTHONPATH: libraries named in the environment
are not installed (GRACE_HIDDEN), and what is opened below a folder (GRACE_WATCHED) is noted in
the file GRACE_OPENED.
"""

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

hidden = {name for name in os.environ.get("GRACE_HIDDEN", "").split(",") if name}
found = PathFinder.find_spec.__func__


def find_spec(cls, name, path=None, target=None):
    return None if name in hidden else found(cls, name, path, target)


PathFinder.find_spec = classmethod(find_spec)

watched = os.environ.get("GRACE_WATCHED")


def note(event, arguments):
    if event in {"open", "os.listdir", "os.scandir"} and isinstance(arguments[0], (str, bytes)):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if path.startswith(watched + os.sep):
            with Path(os.environ["GRACE_OPENED"]).open("a", encoding="utf-8") as file:
                file.write(f"{path}\n")


if watched:
    watched = os.path.realpath(watched)
    sys.addaudithook(note)
