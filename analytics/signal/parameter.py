"""How a detector's number is written down: value, unit, reason and source in one place."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def parameter(default: Any, *, unit: str, reason: str, source: str = "own") -> Any:
    """A field of a frozen parameter dataclass.

    unit: SI or deg, g, min, "1" for a pure number; source: a publication, or "own" for a value
    fitted on the sets that the model card names.
    """
    return field(default=default, metadata={"unit": unit, "reason": reason, "source": source})
