"""How much is computed together, and what it is taken from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from grace.config.settings import LocalSettings
from grace.engines.local.memory_budget import find_room, weight_bytes
from tests.tiny import FAMILIES


@pytest.mark.parametrize("family", [family.name for family in FAMILIES])
def test_weights_are_as_large_as_they_turn_out(family: str, tiny: Callable[[str], Path]) -> None:
    folder = tiny(family)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = AutoConfig.from_pretrained(folder)
    loaded = sum(p.numel() * p.itemsize for p in model.parameters())
    assert weight_bytes(config, torch.float32) == loaded
    assert weight_bytes(config, torch.bfloat16) == loaded // 2


def test_what_is_set_is_taken(tiny: Callable[[str], Path]) -> None:
    config = AutoConfig.from_pretrained(tiny("llama-byte"))
    settings = LocalSettings(kind="local", max_batch_tokens=77, max_batch_texts=5)
    room = find_room(config, torch.float32, torch.device("cpu"), settings)
    assert (room.tokens, room.max_texts) == (77, 5)
