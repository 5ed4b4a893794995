"""Loading a model: device, numeric type, what ends an answer."""

from __future__ import annotations

from typing import Any

import torch

from grace.config import LocalSettings, ModelSettings
from grace.config.missing_library import need
from grace.engines.local.model_files import Source
from grace.engines.local.model_kinds import refuse_other_kinds, refuse_strange_weights
from grace.engines.local.onednn_linear import use_onednn
from grace.errors import ConfigError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(wanted: str) -> torch.device:
    """The device asked for, or the best there is."""
    if wanted != "auto":
        try:
            device = torch.device(wanted)
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(
                f"engine.device={wanted}: {str(error).splitlines()[0]}; "
                "expected auto, cpu, cuda, cuda:N or mps"
            ) from error
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def choose_dtype(
    model: ModelSettings, engine: LocalSettings, device: torch.device, config: Any
) -> torch.dtype:
    """engine.dtype; where that is auto, float32 on the CPU and as published elsewhere."""
    name = engine.dtype
    if name == "auto":
        name = "float32" if device.type == "cpu" else model.dtype
    published = getattr(config, "dtype", None) or torch.float32
    dtype: torch.dtype = published if name == "auto" else DTYPES[name]
    if dtype == torch.float16 and str(config.model_type).startswith("gemma2"):
        raise ConfigError("engine.dtype=float16: Gemma 2 overflows in it; expected bfloat16")
    return dtype


def load_tokenizer(source: Source) -> Any:
    """The model's tokeniser; never runs code that comes with a model."""
    from transformers import AutoTokenizer

    return _from_pretrained(AutoTokenizer, source)


def load_config(source: Source) -> Any:
    """The model's configuration; ConfigError for what does not say the next token."""
    from transformers import AutoConfig

    config = _from_pretrained(AutoConfig, source)
    refuse_other_kinds(config, source.name)
    return config


def load_model(source: Source, model: ModelSettings, engine: LocalSettings) -> Any:
    """The model in evaluation mode on its device, all of its weights from its files."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    if engine.threads:
        torch.set_num_threads(engine.threads)
    device = choose_device(engine.device)
    dtype = choose_dtype(model, engine, device, load_config(source))
    loaded, told = _from_pretrained(
        AutoModelForCausalLM, source, dtype=dtype, output_loading_info=True
    )
    refuse_strange_weights(loaded, told, source.name)
    loaded = loaded.to(device).eval()
    use_onednn(loaded)
    return loaded


def _from_pretrained(kind: Any, source: Source, **settings: Any) -> Any:
    """What transformers loads; a broken folder may raise anything, and is told in a sentence."""
    try:
        return kind.from_pretrained(source.folder, revision=source.hub_revision, **settings)
    except Exception as error:
        need("local", f"model {source.name}")  # transformers guesses, and names other libraries
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ConfigError(
            f"model {source.name} could not be loaded: {first or type(error).__name__}"
        ) from error


def own_ends(source: Source, config: Any, tokenizer: Any) -> frozenset[int]:
    """What `stop_ids` will say, before the weights are loaded."""
    from transformers import GenerationConfig

    try:
        found = GenerationConfig.from_pretrained(source.folder, revision=source.hub_revision)
    except (OSError, ValueError):  # it has none of its own
        found = GenerationConfig.from_model_config(config)
    return _ends(found, tokenizer)


def stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end an answer, from the generation settings and the tokeniser."""
    return _ends(model.generation_config, tokenizer)


def _ends(generation: Any, tokenizer: Any) -> frozenset[int]:
    ends = getattr(generation, "eos_token_id", None)
    found = set(ends if isinstance(ends, list) else [ends])
    found.add(tokenizer.eos_token_id)
    return frozenset(int(end) for end in found if end is not None)
