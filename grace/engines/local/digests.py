"""What files of weights hold, as SHA-256, remembered for as long as the files stay as they are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

#: How files of weights end.
WEIGHTS = frozenset({".safetensors", ".bin", ".gguf"})


def weight_files(folder: Path) -> list[Path]:
    """A model's files of weights: in its folder, and where an index names others."""
    if not folder.is_dir():
        return []
    found = {path for path in folder.iterdir() if path.suffix in WEIGHTS and path.is_file()}
    further = set()
    for index in folder.glob("*.index.json"):
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue  # transformers will say what is wrong with it
        further |= {folder / name for name in names if isinstance(name, str)}
    return sorted(found) + sorted(path for path in further - found if path.is_file())


def file_digest(path: Path) -> str:
    """SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tensor_digest(path: Path) -> str:
    """SHA-256 over the tensors' names, types, shapes and values, in the order of their names.

    Unlike the file's own hash it says nothing of how safetensors lays a file out. "" where the
    file cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    digest = hashlib.sha256()
    try:
        with safe_open(path, framework="numpy") as file:
            for name in sorted(file.keys()):
                values = file.get_tensor(name)
                digest.update(json.dumps([name, str(values.dtype), values.shape]).encode())
                digest.update(values.data)
    except (OSError, SafetensorError, TypeError, AttributeError):  # the last two: a type that
        return ""  # numpy does not have
    return digest.hexdigest()


def remembered(files: Sequence[Path], compute: Callable[[], str], cache: Path) -> str:
    """What `compute` says of the files, from memory while none of them has changed.

    A change is told by the size, the times of writing and of any other change, and the place on
    disk: a file put there by a copy that keeps its time of writing is read again.
    """
    stats = [(path.name, path.stat()) for path in files]
    seen = [(n, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for n, s in stats]
    place = [str(path.parent.resolve()) for path in files[:1]]
    stamp = hashlib.sha256(json.dumps([place, seen]).encode()).hexdigest()
    memo = cache / "hashes" / stamp
    try:
        known = memo.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        known = ""
    if len(known) == 64:
        return known
    value = compute()
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        partial = memo.with_name(f"{stamp}.{os.getpid()}")
        partial.write_text(value, encoding="ascii")
        partial.replace(memo)
    except OSError:
        pass  # only a memory: the hash is computed again next time
    return value
