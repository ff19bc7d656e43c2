"""Packets of a Movesense that were captured elsewhere: any resource, with or without headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from firmware_profiles.base import (
    ConfigurationError,
    DecodeError,
    Event,
    StreamSettings,
)
from firmware_profiles.movesense_gsp import (
    COMMANDS_UUID,
    DATA_UUID,
    RESPONSE,
    GspDecoder,
    PathError,
)
from firmware_profiles.movesense_notes import (
    answer_events,
    command_note,
    hello_of,
    log_chunk,
    reader_of,
    status_of,
)
from firmware_profiles.standard import standard_events

DEFAULT_PATH: Final = "/Meas/IMU6/52"
_REFERENCE: Final = 99
_DATA_KINDS: Final = (b"\2", b"\3", b"\4")
_LOG: Final = "log_chunk"


@dataclass(slots=True)
class MovesenseCaptureDecoder:
    """Decodes packets to and from a sensor.

    path: the resource that was subscribed or read; kind: "log_chunk" for pieces of the log;
    is_bare: data comes as a body without its header of kind and reference.
    """

    path: str
    kind: str
    reference: int | None
    is_bare: bool
    motion: GspDecoder

    @property
    def settings(self) -> StreamSettings:
        return self.motion.settings

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if characteristic == COMMANDS_UUID:
            return [command_note(data)]
        if characteristic != DATA_UUID:
            return standard_events(characteristic, data)
        return self._data(data)

    def _data(self, data: bytes) -> list[Event]:
        if self.kind.startswith(_LOG):
            is_framed = not self.kind.endswith("body") and data[:1] in _DATA_KINDS
            return [log_chunk(data[2:] if is_framed and not self.is_bare else data)]
        if not self._is_framed(data):
            return self._body(data)
        if len(data) < 2:
            raise DecodeError(f"packet has {len(data)} bytes, a header has 2")
        if data[0] == RESPONSE:
            return answer_events(self.path, data[1], data[2:])
        if self.reference not in {None, data[1]}:
            raise DecodeError(f"packet has reference {data[1]}, expected {self.reference}")
        if reader_of(self.path) is not None:
            return self._body(data[2:])
        head = bytes((data[0], self.motion.reference))
        return self.motion.decode(DATA_UUID, head + data[2:])

    def _is_framed(self, data: bytes) -> bool:
        """Whether kind and reference stand in front. With a reference told they do; else a body
        is known by its length, and a packet by its kind."""
        if self.is_bare:
            return False
        if self.reference is not None or self.kind == "command_response":
            return True
        is_answer = data[:1] == bytes((RESPONSE,))
        if reader_of(self.path) is not None:
            is_data = data[:1] in _DATA_KINDS and data[1:2] == bytes((_REFERENCE,))
            return is_data or (is_answer and status_of(data[2:]) is not None)
        return (is_answer and hello_of(data[2:]) is not None) or not self.motion.is_body(data)

    def _body(self, body: bytes) -> list[Event]:
        read = reader_of(self.path)
        return self.motion.decode_body(body) if read is None else read(body)


def captured(config: Mapping[str, object]) -> MovesenseCaptureDecoder:
    """Keys: path (default /Meas/IMU6/52), reference (any when missing), kind ("log_chunk" for the
    log), strip (told when packets are bodies without header). Raises ConfigurationError."""
    path = str(config.get("path", DEFAULT_PATH)).rstrip("\0")
    reference = config.get("reference")
    is_number = isinstance(reference, int) and not isinstance(reference, bool)
    if reference is not None and not (is_number and 0 <= int(str(reference)) <= 255):
        raise ConfigurationError(f"reference is {str(reference)[:20]}", "give a number 0..255")
    kind = str(config.get("kind", ""))
    is_motion = reader_of(path) is None
    try:
        motion = GspDecoder(path if is_motion else DEFAULT_PATH, _REFERENCE)
    except PathError as error:
        raise ConfigurationError(str(error), "give the path that was subscribed") from error
    is_bare = bool(config.get("strip"))
    return MovesenseCaptureDecoder(
        path, kind, int(str(reference)) if is_number else None, is_bare, motion
    )
