"""TOML tables that are read strictly: every message names the key, and no key is left unread."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import numpy as np

from firmware_profiles.base import ProfileError

T = TypeVar("T")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TYPES: Final = {
    "i8": "i1",
    "u8": "u1",
    "i16": "i2",
    "u16": "u2",
    "i32": "i4",
    "u32": "u4",
    "u64": "u8",
    "f32": "f4",
}


class ProfileFileError(ProfileError):
    """A description that cannot be used; the message names the key and says what is wrong."""


_REQUIRED: Final[Any] = object()
_WORDS: Final = {str: "a text", int: "a whole number", bool: "true or false", list: "a list"}


class Table:
    """A TOML table that knows its path and what was not yet taken from it."""

    def __init__(self, path: str, data: object) -> None:
        if not isinstance(data, dict):
            raise ProfileFileError(f"{path}: must be a table")
        self.path, self.data = path, data
        self._left = set(data)

    def name(self, key: str) -> str:
        """The whole path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def take(self, key: str, kind: type[T], default: T = _REQUIRED) -> T:
        """The value of a key, exactly of this type; a required text is not empty."""
        self._left.discard(key)
        if key not in self.data:
            if default is _REQUIRED:
                raise ProfileFileError(f"{self.name(key)}: is missing")
            return default
        value = self.data[key]
        if type(value) is not kind or (value == "" and default is _REQUIRED):
            raise ProfileFileError(f"{self.name(key)}: must be {_WORDS[kind]}")
        return value

    def within(self, key: str, low: int, high: int, default: int) -> int:
        """A whole number from low to high."""
        value = self.take(key, int, default)
        if not low <= value <= high:
            raise ProfileFileError(f"{self.name(key)}: is {value}, must be {low} to {high}")
        return value

    def positive(self, key: str, default: float = _REQUIRED) -> float:
        """A number above 0."""
        self._left.discard(key)
        value = self.data.get(key, default)
        if value is _REQUIRED:
            raise ProfileFileError(f"{self.name(key)}: is missing")
        if type(value) not in {int, float} or not 0 < value < 1e15:
            raise ProfileFileError(f"{self.name(key)}: must be a number above 0")
        return float(value)

    def positive_or_none(self, key: str) -> float | None:
        """A number above 0, None when the key is not there."""
        return self.positive(key) if key in self.data else None

    def choice(self, key: str, choices: Mapping[str, T], default: str = _REQUIRED) -> T:
        """What a word stands for."""
        value = self.take(key, str, default)
        if value not in choices:
            raise ProfileFileError(f"{self.name(key)}: must be one of {', '.join(choices)}")
        return choices[value]

    def strings(self, key: str, default: tuple[str, ...] = _REQUIRED) -> tuple[str, ...]:
        """A list of texts, none empty."""
        values = self.take(key, list, list(default) if default is not _REQUIRED else _REQUIRED)
        if not all(isinstance(value, str) and value for value in values):
            raise ProfileFileError(f"{self.name(key)}: must be a list of texts")
        if not values and default is _REQUIRED:
            raise ProfileFileError(f"{self.name(key)}: is empty")
        return tuple(values)

    def integers(self, key: str) -> tuple[int, ...] | None:
        """A list of whole numbers, None when the key is not there."""
        if key not in self.data:
            return None
        values = self.take(key, list)
        if not all(type(value) is int for value in values):
            raise ProfileFileError(f"{self.name(key)}: must be a list of whole numbers")
        return tuple(values)

    def rows(self, key: str) -> tuple[tuple[float, ...], ...]:
        """At least one [x, y, z] of finite numbers."""
        rows = self.take(key, list)
        for row in rows:
            if not isinstance(row, list) or len(row) != 3:
                raise ProfileFileError(f"{self.name(key)}: must be a list of [x, y, z]")
            if not all(type(value) in {int, float} and math.isfinite(value) for value in row):
                raise ProfileFileError(f"{self.name(key)}: must be made of numbers")
        if not rows:
            raise ProfileFileError(f"{self.name(key)}: is empty")
        return tuple(tuple(float(value) for value in row) for row in rows)

    def table(self, key: str) -> Table:
        """A table below this one."""
        self._left.discard(key)
        if key not in self.data:
            raise ProfileFileError(f"{self.name(key)}: is missing")
        return Table(self.name(key), self.data[key])

    def tables(self, key: str, default: tuple[()] = _REQUIRED) -> tuple[Table, ...]:
        """A list of tables, their paths numbered."""
        items = self.take(key, list, list(default) if default is not _REQUIRED else _REQUIRED)
        if not items and default is _REQUIRED:
            raise ProfileFileError(f"{self.name(key)}: is empty")
        return tuple(Table(f"{self.name(key)}[{i}]", item) for i, item in enumerate(items))

    def fields(
        self, key: str, order: str, allowed: tuple[str, ...], default: tuple[()] = _REQUIRED
    ) -> np.dtype[np.void]:
        """Packed layout of a list of "type name"."""
        layout: list[tuple[str, str]] = []
        for index, text in enumerate(self.strings(key, default)):
            kind, _, name = text.partition(" ")
            where = f"{self.name(key)}[{index}]"
            if kind not in _TYPES:
                raise ProfileFileError(f"{where}: {kind[:20]!r} is no type of {', '.join(_TYPES)}")
            if name not in allowed:
                raise ProfileFileError(f"{where}: {name[:20]!r} is none of {', '.join(allowed)}")
            name = f"skip_{index}" if name == "skip" else name
            if name in dict(layout):
                raise ProfileFileError(f"{where}: {name} is there twice")
            layout.append((name, order + _TYPES[kind]))
        return np.dtype(layout)

    def uuid_of(self, text: str) -> str:
        """A 128-bit UUID in lower case."""
        uuid = text.lower()
        if not _UUID.fullmatch(uuid):
            raise ProfileFileError(f"{self.path}: {text[:40]!r} is no 128-bit UUID")
        return uuid

    def hex_of(self, key: str, text: str) -> bytes:
        """Bytes of a hexadecimal text."""
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise ProfileFileError(f"{self.name(key)}: {text[:40]!r} is not hex") from error

    def done(self) -> None:
        """Raise when a key is left that means nothing."""
        if self._left:
            raise ProfileFileError(f"{self.name(min(self._left))}: there is no such key")
