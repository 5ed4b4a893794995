"""The cards there are, as PyTorch sees them.

"40 GB" is 39.5 GiB to PyTorch, and what a card can compute with depends on its compute
capability: bfloat16 from 8.0, FP8 from 8.9. Memory is what `torch.cuda.mem_get_info` gives, from
public logs; rates are the makers' for 16-bit numbers without sparsity, and are left out where no
data sheet says them plainly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from grace.errors import ConfigError

GIB = 2**30


@dataclass(frozen=True)
class Card:
    """A card, or the main memory of a machine without."""

    name: str
    gib: float
    capability: float | None = None  # None: not known, everything is taken as possible
    teraflops: float | None = None  # 16-bit
    bandwidth: float | None = None  # GB/s

    @property
    def cpu(self) -> bool:
        """Whether it is a machine without a card."""
        return self.name == "cpu"

    @property
    def bfloat16(self) -> bool:
        """Whether it has bfloat16."""
        return self.capability is None or self.capability >= 8.0

    @property
    def fp8(self) -> bool:
        """Whether it computes in FP8."""
        return self.capability is None or self.capability >= 8.9


CARDS = (
    Card("t4", 14.56, 7.5, 65, 320),
    Card("v100-16", 15.77, 7.0, 125, 900),
    Card("v100-32", 31.73, 7.0, 125, 900),
    Card("rtx3090", 23.58, 8.6, None, 936),
    Card("a10", 22.07, 8.6, 125, 600),
    Card("a10g", 22.06, 8.6, None, 600),
    Card("a30", 23.50, 8.0, 165, 933),
    Card("a40", 44.42, 8.6, 150, 696),
    Card("a6000", 47.40, 8.6, 155, 768),
    Card("a100-40", 39.49, 8.0, 312, 1555),
    Card("a100-80", 79.15, 8.0, 312, 2039),
    Card("l4", 22.05, 8.9, 121, 300),
    Card("l40", 44.42, 8.9, 181, 864),
    Card("l40s", 44.42, 8.9, 362, 864),
    Card("rtx2000-ada", 15.58, 8.9),
    Card("rtx4090", 23.53, 8.9, 165, 1008),
    Card("rtx6000-ada", 47.50, 8.9, 182, 960),
    Card("h100", 79.19, 9.0, 989, 3350),
    Card("h100-nvl", 93.10, 9.0, None, 3900),
    Card("h20", 95.60, 9.0, 148, 4000),
    Card("h200", 139.72, 9.0, 989, 4800),
    Card("b200", 178.35, 10.0, 2250, 8000),
    Card("gb10", 119.70, 12.1, None, 273),
    Card("rtx5090", 31.36, 12.0, None, 1792),
    Card("rtx-pro-6000", 95.01, 12.0, None, 1792),
)
#: Other names they go by.
_ALIASES = {
    "a100": "a100-80", "h100-80": "h100", "h100-sxm": "h100", "h100-pcie": "h100",
    "v100": "v100-16", "t4-16": "t4", "a10-24": "a10", "a10g-24": "a10g", "l4-24": "l4",
    "l40s-48": "l40s", "l40-48": "l40", "a40-48": "a40", "a6000-48": "a6000", "rtxa6000": "a6000",
    "a30-24": "a30", "h200-141": "h200", "h20-96": "h20", "b200-180": "b200", "b200-192": "b200",
    "3090": "rtx3090", "4090": "rtx4090", "5090": "rtx5090", "dgx-spark": "gb10",
    "rtx3090-24": "rtx3090", "rtx4090-24": "rtx4090", "rtx5090-32": "rtx5090",
    "h100-94": "h100-nvl",
}  # fmt: skip


#: Of these a machine has one.
ALONE = ("gb10",)


def find_card(name: str, gib: float | None = None) -> Card:
    """The card of a name as people write it; another memory may be given with it."""
    wanted = re.sub(r"[\s_]+", "-", name.strip().lower())
    wanted = re.sub(r"^nvidia-|^tesla-|^geforce-|gb$|gib$", "", wanted)
    wanted = re.sub(r"^rtx-(?=\d)", "rtx", wanted).replace("-sxm4", "").replace("-pcie", "")
    wanted = _ALIASES.get(wanted, wanted)
    known = {card.name: card for card in CARDS}
    if wanted not in known:
        raise ConfigError(
            f"gpu={name}: no such card; expected cpu, one of {', '.join(known)}, or its memory as "
            "gpu_gib=NUMBER"
        )
    card = known[wanted]
    if gib is None:
        return card
    return Card(card.name, gib, card.capability, card.teraflops, card.bandwidth)


def of_driver(name: str, gib: float) -> Card:
    """The card that the driver tells of; its tool counts what PyTorch never gets, some 1.3%."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower())
    fitting = [
        card for card in CARDS
        if card.name.partition("-")[0].removeprefix("rtx") in words.replace("rtx-", "").split("-")
        and abs(card.gib / gib - 1) < 0.06
    ]  # fmt: skip
    if fitting:
        return max(fitting, key=lambda card: len(card.name))
    return Card(name, round(gib / 1.013, 2))
