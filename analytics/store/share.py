"""A share of the wearers: how several workers divide them without talking to each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """Part `number` of `of`, counted from 1."""

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ValueError(f"share {self.number}/{self.of} is not one of 1/{self.of} and so on")

    def has(self, wearer: str) -> bool:
        """Whether this wearer is ours: the same in every process and version, and every wearer is
        in one share exactly."""
        return self.of == 1 or _number(wearer) % self.of == self.number - 1


ALL = Share()


def _number(wearer: str) -> int:
    return int.from_bytes(hashlib.sha256(wearer.encode()).digest()[:8])
