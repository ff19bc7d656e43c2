"""What a Movesense says beside motion: commands, answers, heart, time, measuring ranges, log.

Sources: movesense.com/docs/esw/gatt_sensordata_protocol; the vendor's API description (meas/*.yaml)
for what GET answers; captured packets of sensein/movesense-py and sokolmarek/movesense-commander,
which show int16 microvolts under the path that ends in /mV.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Final

import numpy as np

from firmware_profiles.base import BatteryLevel, DecodeError, Event, Note

STATUS: Final = {
    200: "ok",
    202: "accepted",
    400: "it does not understand the command",
    404: "it does not offer this",
    409: "it is busy with its log book",
    429: "its resources are exhausted",
    500: "it has an internal error",
    501: "its firmware lacks the command",
    503: "it is busy",
    507: "its memory is full",
}
_COMMANDS: Final = {
    0: "hello",
    1: "subscribe",
    2: "unsubscribe",
    3: "fetch_log",
    4: "get",
    5: "clear_logbook",
    6: "put_datalogger_config",
    7: "put_systemmode",
    8: "put_utctime",
    9: "put_datalogger_state",
}
_NUMBERS: Final = {3: ("log_id", 4), 7: ("mode", 1), 8: ("utc_us", 8), 9: ("state", 1)}
"""Commands whose payload is one number: its name and bytes."""
_HELLO_TEXTS: Final = ("serial", "product", "dfu_address", "app_name", "app_version")
_TEMPERATURE_K: Final = (200.0, 400.0)
"""Sources disagree whether the stamp comes first: the order that gives a temperature is taken."""


def command_note(data: bytes) -> Note:
    """A write to the command characteristic; raises DecodeError."""
    if len(data) < 2 or data[0] not in _COMMANDS:
        raise DecodeError(f"{data[:8].hex()!r} is no command")
    code, rest = data[0], data[2:]
    values: dict[str, object] = {
        "command": code,
        "name": _COMMANDS[code],
        "reference": data[1],
    }
    if code in {1, 4, 6}:
        paths = [_text(part) for part in rest.rstrip(b"\0").split(b"\0")]
        values |= {"paths": paths} if code == 6 else {"path": paths[0]}
    elif code in _NUMBERS:
        name, size = _NUMBERS[code]
        if len(rest) != size:
            raise DecodeError(f"{_COMMANDS[code]} has {len(rest)} bytes, {size} were expected")
        values[name] = int.from_bytes(rest, "little")
    elif rest:
        raise DecodeError(f"{_COMMANDS[code]} has {len(rest)} bytes too many")
    return Note("command", values)


def status_of(answer: bytes) -> int | None:
    """The status at the beginning of an answer, None when there is none (HELLO)."""
    little = int.from_bytes(answer[:2], "little")
    big = int.from_bytes(answer[:2], "big")  # some firmware sends 507 with its bytes swapped
    return next((status for status in (little, big) if len(answer) > 1 and status in STATUS), None)


def hello_of(answer: bytes) -> dict[str, object] | None:
    """What an answer to HELLO says, None when it is none."""
    texts = answer[1:].removesuffix(b"\0").split(b"\0")
    if len(texts) != len(_HELLO_TEXTS) or not b"".join(texts).isascii():
        return None
    named = dict(zip(_HELLO_TEXTS, map(_text, texts), strict=True))
    return {"protocol_version": answer[0], **named}


def answer_events(path: str, reference: int, answer: bytes) -> list[Event]:
    """An answer without its first two bytes; raises DecodeError."""
    values: dict[str, object] = {"response_code": 1, "reference": reference}
    status = status_of(answer)
    if status is None:
        hello = hello_of(answer)
        if hello is not None:
            return [Note("answer", {**values, **hello})]
        if len(answer) != 2:
            raise DecodeError(f"answer {answer[:8].hex()!r} has no status")
        status = int.from_bytes(answer, "little")
    values |= {"status": status, "ok": status in {200, 202}}
    values["text"] = STATUS.get(status, "not documented")
    events: list[Event] = [Note("answer", values)]
    if len(answer) > 2:
        read = reader_of(path)
        told = [Note("reading", {"data_hex": answer[2:].hex()})] if read is None else None
        events += told or (read(answer[2:]) if read else [])
    return events


def reader_of(path: str) -> Callable[[bytes], list[Event]] | None:
    """What takes the body of a resource that is not motion apart; None when it is not known."""
    lower = path.lower()
    if found := re.fullmatch(r"/meas/(acc|gyro|magn|imu\w*)/info", lower):
        return lambda body: [Note("reading", _info(found[1], body))]
    if re.fullmatch(r"/meas/ecg/\d+(/mv)?", lower):
        return lambda body: [Note("reading", _ecg(body, lower.endswith("/mv")))]
    readers = {
        "/meas/hr": _heart,
        "/meas/temp": _temperature,
        "/time/detailed": _time,
        "/time": _utc,
    }
    if lower in readers:
        return lambda body: [Note("reading", readers[lower](body))]
    return _energy if lower == "/system/energy/level" else None


def log_chunk(body: bytes) -> Note:
    """A piece of the log: offset and bytes; nothing at all is its end. Raises DecodeError."""
    if not body:
        return Note("log", {"end": True})
    if len(body) < 4:
        raise DecodeError(f"log piece has {len(body)} bytes, its offset alone has 4")
    return Note("log", {"offset": int.from_bytes(body[:4], "little"), "data_hex": body[4:].hex()})


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _ecg(body: bytes, is_millivolt: bool) -> dict[str, object]:
    if len(body) <= 4:
        raise DecodeError(f"electrocardiogram has {len(body)} bytes")
    stamp_ms, raw = int.from_bytes(body[:4], "little"), body[4:]
    values: dict[str, object] = {"timestamp_ms": stamp_ms}
    if len(raw) == 64:  # 16 samples of 4 bytes
        if not is_millivolt:
            return {**values, "unit": "count", "samples": np.frombuffer(raw, "<i4").tolist()}
        floats = np.frombuffer(raw, "<f4")
        if not np.isfinite(floats).all():
            raise DecodeError("a value is not a finite number")
        return {**values, "unit": "mV", "samples": floats.tolist()}
    if len(raw) % 2:
        raise DecodeError(f"{len(raw)} bytes are not whole samples")
    return {**values, "unit": "uV", "samples": np.frombuffer(raw, "<i2").tolist()}


def _heart(body: bytes) -> dict[str, object]:
    if len(body) < 4 or len(body) % 2:
        raise DecodeError(f"heart rate has {len(body)} bytes")
    (rate,) = struct.unpack_from("<f", body)
    if not math.isfinite(rate):
        raise DecodeError("a value is not a finite number")
    return {"hr_bpm": rate, "rr_ms": np.frombuffer(body, "<u2", offset=4).tolist()}


def _temperature(body: bytes) -> dict[str, object]:
    if len(body) != 8:
        raise DecodeError(f"temperature has {len(body)} bytes, 8 were expected")
    low, high = _TEMPERATURE_K
    for kelvin_at, stamp_at in ((4, 0), (0, 4)):
        (kelvin,) = struct.unpack_from("<f", body, kelvin_at)
        if low < kelvin < high:
            stamp_ms = int.from_bytes(body[stamp_at : stamp_at + 4], "little")
            return {"timestamp_ms": stamp_ms, "kelvin": kelvin, "celsius": kelvin - 273.15}
    raise DecodeError(f"{body.hex()} has no temperature of {low:g} to {high:g} K")


def _time(body: bytes) -> dict[str, object]:
    if len(body) != 20:
        raise DecodeError(f"detailed time has {len(body)} bytes, 20 were expected")
    names = ("utc_us", "relative_time", "tick_rate", "accuracy")
    return dict(zip(names, struct.unpack("<Q3I", body), strict=True))


def _utc(body: bytes) -> dict[str, object]:
    if len(body) != 8:
        raise DecodeError(f"time has {len(body)} bytes, 8 were expected")
    return {"utc_us": int.from_bytes(body, "little")}


def _energy(body: bytes) -> list[Event]:
    if len(body) != 1 or body[0] > 100:
        raise DecodeError(f"energy level {body[:4].hex()} is not one byte of 0..100")
    return [BatteryLevel(body[0])]


def _info(sensor: str, body: bytes) -> dict[str, object]:
    """Lists behind their lengths: rates in Hz, then full scales."""
    names = {
        "acc": (("ranges_g", 1),),
        "gyro": (("ranges_dps", 2),),
        "magn": (("ranges_ut", 2),),
    }.get(sensor, (("acc_ranges_g", 1), ("gyro_ranges_dps", 2), ("magn_ranges_ut", 2)))
    values: dict[str, object] = {}
    at = 0
    for name, width in (("sample_rates_hz", 2), *names):
        if at == len(body) and values:
            break
        count = body[at] if at < len(body) else 0
        raw = body[at + 1 : at + 1 + count * width]
        if not count or len(raw) < count * width:
            raise DecodeError(f"list {name} is cut off")
        values[name] = np.frombuffer(raw, f"<u{width}").tolist()
        at += 1 + len(raw)
    if at < len(body):
        raise DecodeError(f"{len(body) - at} bytes too many")
    return values
