"""Alerts to phone services through Apprise, an optional package (`trunkline[phone]`)."""

from __future__ import annotations

import importlib
import logging
import queue
import threading
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from analytics.store.records import GivenAlert

logger = logging.getLogger(__name__)

TITLE: Final = "Trunkline"
MOST_WAITING: Final = 100
POLL_S: Final = 0.5


class PhoneError(Exception):
    """The addresses cannot be used; one sentence with what to do next."""


def read_addresses(path: Path) -> dict[str, tuple[str, ...]]:
    """Pseudonym -> Apprise addresses, from a TOML file of lines `p-001 = ["ntfy://..."]`.

    Addresses hold secrets; they stand in a file and appear in no message. Raises PhoneError.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PhoneError(f"cannot read {path} ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PhoneError(
            f'{path.name} is not TOML; write lines like p-001 = ["ntfy://..."]'
        ) from error
    for wearer, addresses in said.items():
        if not (isinstance(addresses, list) and all(isinstance(a, str) for a in addresses)):
            raise PhoneError(f'{path.name}: {wearer} needs a list of addresses ["ntfy://..."]')
    return {wearer: tuple(addresses) for wearer, addresses in said.items()}


class Phones:
    """One thread; `deliver` never waits. A message is the alert's text and no pseudonym."""

    def __init__(self, addresses: Mapping[str, Sequence[str]]) -> None:
        """Raises PhoneError when Apprise is not installed or an address is not understood."""
        try:
            apprise: Any = importlib.import_module("apprise")
        except ImportError as error:
            raise PhoneError(
                "phone alerts need the package apprise; install it with: pip install apprise"
            ) from error
        self._of: dict[str, Any] = {}
        for wearer, urls in addresses.items():
            self._of[wearer] = apprise.Apprise()
            for number, url in enumerate(urls, 1):
                if not self._of[wearer].add(url):
                    raise PhoneError(f"address {number} of {wearer} is not understood by Apprise")
        self._waiting: queue.Queue[GivenAlert] = queue.Queue(MOST_WAITING)

    def deliver(self, alert: GivenAlert) -> None:
        """Take an alert along, unless too many wait already."""
        if alert.wearer in self._of:
            try:
                self._waiting.put_nowait(alert)
            except queue.Full:
                logger.warning("an alert did not reach a phone: too many wait")

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set."""
        while not stop.is_set():
            try:
                alert = self._waiting.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if not self._of[alert.wearer].notify(title=TITLE, body=alert.text):
                logger.warning(
                    "an alert did not reach a phone; see the address of %s", alert.wearer
                )
