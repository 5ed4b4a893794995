"""What is no causal language model, and weights that are not all a model's own.

Both are told by what is there. A class that cannot generate, or has an encoder beside it, is
asked for the next token in vain. A weight that is missing in the files would be drawn at random,
and one that is left over is part of a model other than the configuration describes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import torch

from grace.errors import ConfigError

#: Left over in older files without being weights: tables and masks that are computed anew.
COMPUTED = re.compile(r"(inv_freq|masked_bias|attn\.bias|attention\.bias|position_ids)$")
#: Names of weights that are told; more are counted.
TOLD = 3


def refuse_other_kinds(config: Any, name: str) -> None:
    """ConfigError where the configuration itself says that it is another kind of model."""
    import transformers

    if getattr(config, "is_encoder_decoder", False):
        raise ConfigError(
            f"model {name} is an encoder with a decoder ({config.model_type}); expected a causal "
            "language model, which reads the prompt and the answer as one text"
        )
    for architecture in getattr(config, "architectures", None) or ():
        kind: Any = getattr(transformers, str(architecture), None)
        if not hasattr(kind, "can_generate"):  # not one of transformers' own models
            continue
        bare = transformers.MODEL_MAPPING.get(type(config), None)
        if not kind.can_generate() and kind is not bare:
            raise ConfigError(
                f"model {name} is a {architecture}, which does not say the next token; "
                "expected a causal language model"
            )


def returns_all(config: Any) -> bool:
    """Whether the model's class does not know `logits_to_keep`, and gives the logits of all tokens.

    Version 0.1.0 read such a model's scores at the wrong tokens.
    """
    import transformers

    kind = transformers.MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    return kind is not None and "logits_to_keep" not in inspect.signature(kind.forward).parameters


def refuse_strange_weights(model: Any, told: Mapping[str, Any], name: str) -> None:
    """ConfigError where files and configuration do not have the same weights.

    `told` is what transformers says of its loading: `missing_keys`, `mismatched_keys`,
    `unexpected_keys`, `error_msgs`.
    """
    if told.get("error_msgs"):
        raise ConfigError(f"model {name} could not be loaded: {told['error_msgs'][0]}")
    lacking = {*told.get("missing_keys", ()), *(k[0] for k in told.get("mismatched_keys", ()))}
    if lacking:
        raise ConfigError(
            f"model {name}: its files do not hold {_list(lacking)} as its config.json describes "
            "them, and random numbers would stand for them; expected all weights"
        )
    over = {key for key in told.get("unexpected_keys", ()) if _belongs(model, key)}
    if over:
        raise ConfigError(
            f"model {name}: its files hold {_list(over)}, which the model of its config.json "
            "does not use; expected the configuration that the weights were trained with"
        )


def _belongs(model: Any, key: str) -> bool:
    """Whether a weight is one of a module that is there, or of a layer behind the last."""
    if COMPUTED.search(key):
        return False
    prefix = model.base_model_prefix
    for path in (key, key.removeprefix(f"{prefix}."), f"{prefix}.{key}"):
        parent = path.rpartition(".")[0]
        if parent and _module(model, parent) is not None:
            return True
        for found in re.finditer(r"\.(\d+)\.", path):
            layers = _module(model, path[: found.start()])
            if isinstance(layers, torch.nn.ModuleList) and int(found[1]) >= len(layers):
                return int(found[1]) >= len(layers) + _foretelling(model)
    return False


def _foretelling(model: Any) -> int:
    """Layers behind the last that only guess ahead (multi-token prediction): not ours to use."""
    config = model.config.get_text_config()
    return int(getattr(config, "num_nextn_predict_layers", None) or 0)


def _module(model: Any, path: str) -> Any:
    try:
        return model.get_submodule(path)
    except AttributeError:
        return None


def _list(names: set[str]) -> str:
    some = sorted(names)
    more = f" and {len(some) - TOLD} more" if len(some) > TOLD else ""
    return ", ".join(some[:TOLD]) + more
