"""Days computed on a Dask cluster: a local one, or one that is there.

Whoever computes opens samples and people by itself, so every machine of a cluster needs the data
directory under the same path (people are read from `clinic.db`) and a way to the store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from distributed import Client, LocalCluster

from analytics.reanalysis import Compute, DayDone, DayTask, Opener, compute_here

AHEAD: Final = 2
"""Days asked for per process that computes: it never waits, and memory stays bounded."""
CONNECT_S: Final = 20


class ClusterError(Exception):
    """The cluster cannot be used; one sentence with what to do next."""


@contextmanager
def cluster(scheduler: str) -> Iterator[Compute]:
    """`local`, `local:N` (so many processes on this machine) or the address of a Dask scheduler.
    Raises ClusterError when there is none at that address, ValueError for anything else."""
    name, _, count = scheduler.partition(":")
    if name == "local":
        processes = int(count) if count else None
        with (
            # Loopback only, and no dashboard: nobody else may see what is computed.
            LocalCluster(
                n_workers=processes,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
            ) as local,
            Client(local) as client,
        ):
            yield _on(client)
        return
    try:
        client = Client(scheduler, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {scheduler}; start one with: dask scheduler"
        ) from error
    with client:
        yield _on(client)


def _on(client: Client) -> Compute:
    def compute(opener: Opener, tasks: Iterable[DayTask]) -> Iterator[DayDone]:
        waiting: deque[Any] = deque()
        most = AHEAD * max(1, len(client.scheduler_info()["workers"]))
        try:
            for task in tasks:
                # Not a pure function: the samples behind it change.
                waiting.append(client.submit(_one, opener, task, pure=False))
                if len(waiting) >= most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            client.cancel(list(waiting))

    return compute


def _one(opener: Opener, task: DayTask) -> DayDone:
    return next(compute_here(opener, [task]))
