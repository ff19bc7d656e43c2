"""Batch <-> CBOR with RFC 8746 typed arrays. docs/wire.cddl is the normative description."""

from __future__ import annotations

from typing import Any, Final

import cbor2
import numpy as np

from wire.batch import UNITS, Batch, BatchError, Channel, Flag
from wire.ids import IdError, session_bytes, session_text

VERSION: Final = 1
MAX_BYTES: Final = 1 << 20
"""Larger payloads are refused before they are parsed: a batch of MAX_SAMPLES is below 200 kB."""

# RFC 8746 section 2.1, little-endian typed arrays
_TAG_OF: Final = {"<i2": 77, "<i4": 78, "<f4": 85}
_DTYPE_OF: Final = {tag: np.dtype(code) for code, tag in _TAG_OF.items()}

# RFC 8949 section 3.1, major types
_BYTES, _TEXT, _ARRAY, _MAP, _TAG = range(2, 7)
_INDEFINITE: Final = 31

# Integer keys keep the overhead of a one-second batch near 2 bytes a sample.
_V, _SESSION, _SEQ, _FLOOR, _T0, _DT, _N, _CHANNELS, _RX, _ERR, _LOST, _FLAGS = range(12)


def encode(batch: Batch) -> bytes:
    """The MQTT payload of a batch."""
    message = {
        _V: VERSION,
        _SESSION: session_bytes(batch.session),
        _SEQ: batch.seq,
        _FLOOR: batch.floor_seq,
        _T0: batch.t0_ns,
        _DT: batch.dt_ns,
        _N: batch.n,
        _CHANNELS: {
            name: [UNITS[name], channel.scale, _typed_array(channel.raw)]
            for name, channel in batch.channels.items()
        },
        _RX: batch.rx_ns,
        _ERR: batch.clock_err_ns,
        _LOST: batch.lost,
        _FLAGS: int(batch.flags),
    }
    return cbor2.dumps(message)


def decode(payload: bytes) -> Batch:
    """The batch in a payload; raises BatchError with the reason for anything else."""
    if len(payload) > MAX_BYTES:
        raise BatchError(f"payload has {len(payload)} bytes, more than {MAX_BYTES}")
    try:
        message = cbor2.loads(payload)
    except Exception as error:  # cbor2 lets several exception types out on hostile input
        raise BatchError(f"not CBOR: {type(error).__name__}") from error
    if not isinstance(message, dict):
        raise BatchError("payload is not a CBOR map")
    version = message.get(_V)
    if type(version) is not int or version != VERSION:
        raise BatchError(f"wire version {str(version)[:20]} is not supported, expected {VERSION}")
    n = _integer(message, _N, "n")
    channels = message.get(_CHANNELS)
    session = message.get(_SESSION)
    if not isinstance(channels, dict) or not isinstance(session, bytes):
        raise BatchError("session or channels are missing or of the wrong type")
    if _pairs(payload) != len(message) + len(channels):
        raise BatchError("a key stands twice in the payload")
    try:
        return Batch(
            session=session_text(session),
            seq=_integer(message, _SEQ, "seq"),
            floor_seq=_integer(message, _FLOOR, "floor_seq"),
            t0_ns=_integer(message, _T0, "t0_ns"),
            dt_ns=_integer(message, _DT, "dt_ns"),
            n=n,
            channels={_name(k): _channel(k, v, n) for k, v in channels.items()},
            rx_ns=_integer(message, _RX, "rx_ns"),
            clock_err_ns=_integer(message, _ERR, "clock_err_ns"),
            lost=_integer(message, _LOST, "lost"),
            flags=Flag(_integer(message, _FLAGS, "flags") & 0xFF),
        )
    except IdError as error:
        raise BatchError(str(error)) from error


def _pairs(payload: bytes) -> int:
    """Pairs of all maps as they stand in the bytes: cbor2 keeps one of several with the same key,
    and says nothing about bytes behind the end. `payload` is CBOR that cbor2 has read."""
    at = pairs = 0
    left = 1  # items to come
    while left:
        left -= 1
        major, info = payload[at] >> 5, payload[at] & 31
        at += 1
        if info == _INDEFINITE:
            raise BatchError("the payload has items of indefinite length")
        size = 1 << info - 24 if info >= 24 else 0
        number = int.from_bytes(payload[at : at + size], "big") if size else info
        at += size
        if major in {_BYTES, _TEXT}:
            at += number
        elif major == _ARRAY:
            left += number
        elif major == _MAP:
            left, pairs = left + 2 * number, pairs + number
        elif major == _TAG:
            left += 1
    if at != len(payload):
        raise BatchError(f"{len(payload) - at} bytes stand behind the batch")
    return pairs


def _typed_array(raw: np.ndarray[Any, Any]) -> cbor2.CBORTag:
    little = np.ascontiguousarray(raw, dtype=raw.dtype.newbyteorder("<"))
    code = little.dtype.str
    if code not in _TAG_OF:
        raise BatchError(f"dtype {raw.dtype} does not travel; use int16, int32 or float32")
    return cbor2.CBORTag(_TAG_OF[code], little.tobytes())


def _integer(message: dict[Any, Any], key: int, name: str) -> int:
    value = message.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise BatchError(f"{name} is missing or not an unsigned 63-bit integer")
    return value


def _name(key: object) -> str:
    if not isinstance(key, str) or key not in UNITS:
        raise BatchError(f"channel {str(key)[:20]!r} is unknown")
    return key


def _channel(name: str, value: object, n: int) -> Channel:
    if not isinstance(value, list) or len(value) != 3:
        raise BatchError(f"channel {name} is not [unit, scale, array]")
    unit, scale, array = value
    if unit != UNITS[name]:
        raise BatchError(f"channel {name} has unit {str(unit)[:20]!r}, expected {UNITS[name]!r}")
    if not isinstance(scale, (int, float)) or isinstance(scale, bool):
        raise BatchError(f"channel {name} has no numeric scale")
    if not isinstance(array, cbor2.CBORTag) or not isinstance(array.value, bytes):
        raise BatchError(f"channel {name} has no typed array")
    dtype = _DTYPE_OF.get(array.tag)
    if dtype is None or len(array.value) != n * 3 * dtype.itemsize:
        raise BatchError(
            f"channel {name} has tag {array.tag} and {len(array.value)} bytes for n={n}"
        )
    raw = np.frombuffer(array.value, dtype=dtype).reshape(n, 3)
    return Channel(raw=raw, scale=float(scale))
