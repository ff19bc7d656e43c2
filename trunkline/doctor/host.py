"""The machine: its clock and its disk."""

from __future__ import annotations

import ctypes
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from trunkline.doctor.finding import Finding, failed, ok, warning

FULL_BYTES: Final = 200 << 20
"""Below this SQLite and the system itself begin to fail."""
TIGHT_BYTES: Final = 2 << 30
"""A sensor's week at 100 Hz is below 1 GB."""
_TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised."""


def check_clock(now_s: float | None = None) -> list[Finding]:
    """Whether the clock can be right, and whether something keeps it right."""
    now_s = time.time() if now_s is None else now_s
    now = datetime.fromtimestamp(now_s, UTC)
    if now_s < Path(__file__).stat().st_mtime - 86400:
        return [
            failed(
                "clock",
                f"says {now:%Y-%m-%d %H:%M} UTC, before this program was installed",
                "set it: sudo timedatectl set-ntp true",
            )
        ]
    synchronised = _synchronised()
    if synchronised is None:
        return [warning("clock", f"says {now:%Y-%m-%d %H:%M} UTC", "make sure that NTP keeps it")]
    if not synchronised:
        return [
            warning(
                "clock",
                "is not synchronised",
                "sudo timedatectl set-ntp true; in a container look at the host",
            )
        ]
    return [ok("clock", "is synchronised")]


def check_disk(folder: Path, what: str) -> list[Finding]:
    """Room on the disk of `folder`, or of the nearest folder above it that exists."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    text = f"{free / 1e9:.1f} GB free for {what}"
    if free < FULL_BYTES:
        return [failed("disk", text, "make room: samples will be dropped")]
    if free < TIGHT_BYTES:
        return [warning("disk", text, "make room soon")]
    return [ok("disk", text)]


def _synchronised() -> bool | None:
    """What the kernel says about its clock; None where it cannot be asked."""
    if sys.platform != "linux":
        return None
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    # struct timex, all zero: modes = 0 asks and sets nothing; it is below 256 bytes everywhere
    state: int = adjtimex(ctypes.create_string_buffer(256))
    return None if state < 0 else state != _TIME_ERROR
