"""Linear layers through oneDNN, in float32 on the CPU.

PyTorch gives float32 products to MKL, which leaves half of what many processors can do
unused; oneDNN, which PyTorch brings along, does not (about twice as fast where MKL is not on
its maker's processors, and nowhere slower by much). The sums are the same but for rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class OneDnnLinear(nn.Linear):  # type: ignore[misc]
    """A linear layer that computes with oneDNN."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002  (as in nn.Linear)
        """(…, in) -> (…, out)."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            input, self.weight, self.bias, "none", [], ""
        )
        return product


def use_onednn(model: Any) -> bool:
    """Let a model's linear layers compute with oneDNN, where that can be had."""
    if model.device.type != "cpu" or model.dtype != torch.float32 or not _available():
        return False
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = OneDnnLinear
    return True


def _available() -> bool:
    """Whether this build of PyTorch has the operation, and it computes what it should."""
    if not torch.backends.mkldnn.is_available():
        return False
    layer = OneDnnLinear(8, 4)
    x = torch.ones(3, 8)
    try:
        with torch.inference_mode():
            expected = nn.functional.linear(x, layer.weight, layer.bias)
            return bool(torch.allclose(layer(x), expected))
    except (RuntimeError, AttributeError, NotImplementedError):
        return False
