"""Where things are that tests read: the checkout, and data that is not ours to ship."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Beside the checkout, where it is at all.
SHARED = ROOT.parent / "shared"
