"""Who has been erased and when: what a restored backup must not bring back.

A file of JSON lines beside the data and beside the backups, because the database that knows of an
erasure is the one that a restore replaces. It holds pseudonyms, as the audit does.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from analytics.store.base import StoreError
from wire.ids import check_wearer

FILE_NAME: Final = "erased.jsonl"


def record(folder: Path, wearer: str) -> None:
    """Put on record, on disk when this returns, that a wearer is being erased now."""
    line = json.dumps({"wearer": check_wearer(wearer), "erased_ns": time.time_ns()})
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(
            f"the erasure cannot be put on record in {path} ({error.strerror})",
            "make the folder writable and erase again",
        ) from error


def erased_since(paths: Iterable[Path], since_ns: int) -> list[str]:
    """Wearers that were erased at or after a time, by any of these files; those that are not there
    are left out. StoreError for a file that cannot be understood: nobody may come back by that."""
    found: set[str] = set()
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
            for line in filter(None, lines):
                entry = json.loads(line)
                if int(entry["erased_ns"]) >= since_ns:
                    found.add(check_wearer(entry["wearer"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"the record of erased wearers in {path} cannot be read",
                "mend its last line or put an intact copy in its place",
            ) from error
    return sorted(found)
