"""Which model it is: its files, and a hash of all of them that its numbers depend on.

The weights are hashed by themselves (`revision`), everything else together (`config`): the
model's configuration, its tokeniser, an adapter. A commit on the Hugging Face hub stands for
all of them, as long as the files in the cache are those of the commit. The bundled model is
made from one file, whose hash says it all.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from grace.config import ModelSettings
from grace.engines.hub import cached_commit, commit_of
from grace.engines.local.bundled import bundled_model, cache_folder
from grace.engines.local.digests import file_digest, remembered, weight_files
from grace.errors import ConfigError

#: Entries of two files on which no number depends: who wrote them, what is chosen by Grace's
#: own settings (`dtype`), and the chat template, which stands rendered in every prompt's key.
SILENT = {
    "config.json": {"transformers_version", "_name_or_path", "torch_dtype", "dtype", "use_cache"},
    "tokenizer_config.json": {"transformers_version", "name_or_path", "chat_template"},
}
#: The only entry of generation_config.json that has a say: everything else is set outright.
ENDS = "eos_token_id"
#: JSON of a model's folder that is about something else.
OTHER = frozenset(
    {
        "chat_template.json",
        "preprocessor_config.json",
        "processor_config.json",
        "trainer_state.json",
        "train_results.json",
        "eval_results.json",
        "all_results.json",
    }
)
#: What a tokeniser is read from, whatever its kind.
TOKENISER = frozenset(
    {
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
        "tekken.json",
    }
)


@dataclass(frozen=True)
class Source:
    """Where a model's files are and which they are."""

    name: str  # Hugging Face id, or the folder
    folder: str  # what from_pretrained takes
    revision: str  # hash of the weights, or the commit on the hub
    hub_revision: str | None = None
    snapshot: Path | None = None  # the commit's files in the hub's cache


def find_source(model: ModelSettings) -> Source:
    """The model's folder: given, bundled, or named on the Hugging Face hub."""
    if model.path is not None:
        folder = Path(model.path).expanduser()
        if not (folder / "config.json").is_file():
            raise ConfigError(
                f"model.path={model.path}: expected a folder with a Hugging Face model "
                "(config.json, weights, tokenizer)"
            )
        _check_adapter(folder)
        return Source(str(folder.resolve()), str(folder), weights_hash(folder))
    if model.bundled:
        folder, digest = bundled_model()
        return Source(model.id, str(folder), digest)
    # transformers takes a name that is a folder for the folder
    if model.id and Path(model.id, "config.json").is_file():
        _check_adapter(Path(model.id))
        return Source(str(Path(model.id).resolve()), model.id, weights_hash(Path(model.id)))
    return _on_the_hub(model)


def _on_the_hub(model: ModelSettings) -> Source:
    """The commit that a name and a revision stand for now; all files are taken from it."""
    from transformers.utils import cached_file

    try:
        found = cached_file(model.id, "config.json", revision=model.revision)
    except (OSError, ValueError) as error:
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ConfigError(f"model {model.id} could not be loaded: {first}") from error
    commit = commit_of(found) if found else ""
    if found is None or not commit:
        return Source(model.id, model.id, model.revision or "", model.revision)
    return Source(model.id, model.id, commit, commit, Path(found).parent)


def _check_adapter(folder: Path) -> None:
    """An adapter beside the weights is applied by the library peft, or silently left out."""
    if (folder / "adapter_config.json").is_file() and not _version("peft"):
        raise ConfigError(
            f"{folder}: holds an adapter (adapter_config.json), and without the package peft the "
            "numbers would be those of the model without it; merge the adapter into the weights, "
            "install peft, or move the adapter's files away"
        )


def describe(source: Source) -> tuple[str, float | None]:
    """A hash of what `revision` leaves out, and since when the files are as they are.

    "" where the revision says it all: the bundled model, an unchanged commit. The time (seconds
    since 1970) is None where it says nothing. To be called once the tokeniser is loaded: of a
    model on the hub its files are fetched by then.
    """
    if source.snapshot is not None:
        return _edited_hash(source.snapshot), None
    folder = Path(source.folder)
    if source.name != str(folder.resolve()):  # bundled
        return "", None
    return folder_hash(folder)


def folder_hash(folder: Path) -> tuple[str, float]:
    """A hash of all in a folder but the weights, and when any of it last changed."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and _matters(path))
    stats = [path.stat() for path in (folder, *files)]
    since = max(max(stat.st_mtime, stat.st_ctime) for stat in stats)
    digest = _hash_files(files)
    if any(path.name == "adapter_config.json" for path in files):
        base = _adapted(folder)
        digest.update(f"peft {_version('peft')}{f' {base}' if base else ''}".encode())
    return digest.hexdigest(), since


def _adapted(folder: Path) -> str:
    """The model that an adapter belongs to, whose files lie elsewhere; "" where they do not."""
    try:
        told = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        base, revision = told["base_model_name_or_path"], told.get("revision")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""
    if not isinstance(base, str) or Path(base).resolve() == folder.resolve():
        return ""
    if (Path(base) / "config.json").is_file() and not (Path(base) / "adapter_config.json").exists():
        return f"{weights_hash(Path(base))} {folder_hash(Path(base))[0]}"
    return cached_commit(base, revision if isinstance(revision, str) else None)


def _matters(path: Path) -> bool:
    if path.name in OTHER:
        return False
    return path.suffix in {".json", ".model", ".tiktoken", ".py"} or path.name in TOKENISER


def _edited_hash(snapshot: Path) -> str:
    """A hash of a commit's configuration and tokeniser where they are not the commit's own."""
    files = sorted(
        path
        for path in snapshot.iterdir()
        if path.name in TOKENISER | {"config.json"} or path.suffix == ".model"
    )
    if all(_is_the_hubs(path) for path in files):
        return ""
    return _hash_files(files).hexdigest()


def _is_the_hubs(path: Path) -> bool:
    """Whether a cached file is what the hub sent: the cache names each by its content's hash."""
    if not path.is_symlink():
        return False
    name, content = path.resolve().name, path.read_bytes()
    if len(name) == 64:
        return hashlib.sha256(content).hexdigest() == name
    blob = b"blob %d\0" % len(content) + content  # as git names it
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest() == name


def _hash_files(files: Iterable[Path]) -> hashlib._Hash:
    digest = hashlib.sha256()
    for path in files:
        content = hashlib.sha256(_telling(path)).hexdigest()
        digest.update(f"{path.name} {content}\n".encode())
    return digest


def _telling(path: Path) -> bytes:
    """What of a file numbers depend on."""
    content = path.read_bytes()
    if path.name not in {*SILENT, "generation_config.json"}:
        return content
    try:
        found = json.loads(content)
        kept = (
            {key: value for key, value in found.items() if key not in SILENT[path.name]}
            if path.name in SILENT
            else {ENDS: found.get(ENDS)}
        )
    except (ValueError, AttributeError):
        return content
    return json.dumps(kept, sort_keys=True).encode()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def weights_hash(folder: Path) -> str:
    """SHA-256 over the folder's weight files, remembered while none changes."""
    files = weight_files(folder)

    def digest() -> str:
        each = (bytes.fromhex(file_digest(path)) for path in files)
        return hashlib.sha256(b"".join(each)).hexdigest()

    return remembered(files, digest, cache_folder())
