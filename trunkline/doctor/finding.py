"""What a look at one thing found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for people: what, how it stands, and what to do when it is not well."""

    what: str
    level: Level
    text: str
    advice: str = ""

    def line(self) -> str:
        after = f"; {self.advice}" if self.advice else ""
        return f"{self.level:<8} {self.what}: {self.text}{after}"


def ok(what: str, text: str) -> Finding:
    return Finding(what, Level.OK, text)


def warning(what: str, text: str, advice: str) -> Finding:
    return Finding(what, Level.WARNING, text, advice)


def failed(what: str, text: str, advice: str) -> Finding:
    return Finding(what, Level.FAILED, text, advice)
