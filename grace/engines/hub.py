"""What this machine's cache of the Hugging Face hub holds; nothing is asked of the hub."""

from __future__ import annotations

from pathlib import Path


def commit_of(path: str | Path) -> str:
    """The commit that a cached file belongs to, "" where it lies somewhere else."""
    folder = Path(path).parent
    while folder.parent != folder:
        if folder.parent.name == "snapshots":
            return folder.name
        folder = folder.parent
    return ""


def cached_commit(name: str, revision: str | None = None) -> str:
    """The commit that the cache has for a model's name and revision, "" where it has none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return ""
    return commit_of(found) if isinstance(found, str) else ""
