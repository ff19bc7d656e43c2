"""Results that wait to be written together: one sync to disk for many wearers instead of one
each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analytics.store.base import PRESENT, Provenance, Result, Store


class GroupedResults:
    """A `Store` that keeps `write_results` until `flush`, or until results are asked for. Not
    thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[str, int, int, Sequence[Result], Provenance, str]] = []

    def __getattr__(self, name: str) -> Any:
        """Samples and housekeeping: of the store itself."""
        return getattr(self._store, name)

    def write_results(
        self,
        wearer: str,
        start_ns: int,
        end_ns: int,
        results: Sequence[Result],
        provenance: Provenance,
        *,
        version: str = PRESENT,
    ) -> None:
        """See `Store.write_results`: with the next `flush`."""
        self._waiting.append((wearer, start_ns, end_ns, results, provenance, version))

    def read_results(self, *what: Any, **more: Any) -> list[Result]:
        """See `Store.read_results`."""
        self.flush()
        return self._store.read_results(*what, **more)

    def provenances(self, *what: Any, **more: Any) -> list[Provenance]:
        """See `Store.provenances`."""
        self.flush()
        return self._store.provenances(*what, **more)

    def write_day_sum(self, wearer: str, day_sum: Result, provenance: Provenance) -> None:
        """See `Store.write_day_sum`."""
        self.flush()
        self._store.write_day_sum(wearer, day_sum, provenance)

    def flush(self) -> None:
        """Write what waits, in one transaction where the store has any. Raises StoreError; then it
        still waits."""
        if not self._waiting:
            return
        with self._store.transaction():
            for wearer, start_ns, end_ns, results, provenance, version in self._waiting:
                self._store.write_results(
                    wearer, start_ns, end_ns, results, provenance, version=version
                )
        self._waiting.clear()

    def forget(self) -> None:
        """What waits will be computed again."""
        self._waiting.clear()
