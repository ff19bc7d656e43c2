"""Two replicas of ingest on one broker: nothing twice, nothing lost, and commits that are true."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from analytics.store.base import StoredBatch
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from tests.analytics.ingest.agent_side import (
    Agent,
    agent,
    ingest,
    ingest_process,
    server_account,
    wait_until,
)
from tests.analytics.store.samples import DT_NS, SESSION, T0_NS, batch
from tests.servers import PATIENCE_S, Mosquitto, mosquitto

pytestmark = pytest.mark.mosquitto
EVER = (0, 2**62)
COUNT = 200


@pytest.fixture
def server(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(mosquitto_bin, tmp_path / "mosquitto", ("w1",)) as running:
        yield running


class Counting(EmbeddedStore):
    """One replica's connection; remembers what came by it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.seqs: list[int] = []

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        super().write_batches(items)
        self.seqs += [item.batch.seq for item in items]


class Watchful(Agent):
    """Looks into the store at every commit: whatever is said to be there must be."""

    def look_into(self, store: EmbeddedStore) -> None:
        self.store, self.false_commits = store, []

    def _on_message(self, client: object, data: object, message: object) -> None:
        super()._on_message(client, data, message)  # type: ignore[arg-type]
        seq = self.committed.get(SESSION, -1)
        there = {record.seq for record in self.store.read_batches("w1", "back", *EVER)}
        if not set(range(seq + 1)) <= there:
            self.false_commits.append((seq, sorted(set(range(seq + 1)) - there)))


def test_two_replicas_divide_the_batches_and_commit_only_what_is_there(
    server: Mosquitto, tmp_path: Path
) -> None:
    Clinic(tmp_path / "clinic.db").add_wearer("w1", "UTC")
    stores = [Counting(tmp_path / "samples.db") for _ in range(2)]
    clinics = [Clinic(tmp_path / "clinic.db") for _ in range(2)]
    account = server_account(server)
    with (
        ingest(account, stores[0], clinics[0], tmp_path, replica=1),
        ingest(account, stores[1], clinics[1], tmp_path, replica=2),
    ):
        w1 = Watchful.__new__(Watchful)
        w1.look_into(stores[0])
        w1.__init__(server)  # type: ignore[misc]
        for start in range(0, COUNT, 20):
            w1.send(*(batch(50 * i, seq=i) for i in range(start, start + 20)))
        w1.wait_for_commit(SESSION, COUNT - 1)
        w1.close()
    assert w1.false_commits == []
    assert all(len(set(store.seqs)) > COUNT / 10 for store in stores)  # both worked
    read = stores[0].read_samples("w1", "back", *EVER)
    assert read.t_ns.tolist() == [T0_NS + i * DT_NS for i in range(50 * COUNT)]
    for each in (*stores, *clinics):
        each.close()


def test_a_replica_that_is_killed_is_made_up_for_by_the_other(
    server: Mosquitto, tmp_path: Path
) -> None:
    clinic, store = Clinic(tmp_path / "clinic.db"), EmbeddedStore(tmp_path / "samples.db")
    clinic.add_wearer("w1", "UTC")
    processes = [ingest_process(server, tmp_path, "--replica", str(n)) for n in (1, 2)]
    try:
        with agent(server) as w1:
            w1.send(batch(0, seq=0))
            w1.wait_for_commit(SESSION, 0)
            numbers = itertools.count(1)
            for _ in range(20):
                w1.send(batch(50 * (seq := next(numbers)), seq=seq))
            processes[1].kill()
            processes[1].wait()
            for _ in range(20):
                w1.send(batch(50 * (seq := next(numbers)), seq=seq))
            w1.wait_for_commit(SESSION, 40)
            # One that ends well leaves its part to the other.
            processes.append(ingest_process(server, tmp_path, "--replica", "3"))
            for _ in range(10):
                w1.send(batch(50 * (seq := next(numbers)), seq=seq))
            processes[0].terminate()
            assert processes[0].wait(PATIENCE_S) == 0
            w1.wait_for_commit(SESSION, 50)
        read = store.read_samples("w1", "back", *EVER)
        assert read.t_ns.tolist() == [T0_NS + i * DT_NS for i in range(50 * 51)]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
        store.close()
        clinic.close()


def test_the_same_replica_twice_is_refused(server: Mosquitto, tmp_path: Path) -> None:
    first = ingest_process(server, tmp_path, "--replica", "1")
    try:
        wait_until((tmp_path / "ingest-1.lock").exists, "the first one is there")
        second = ingest_process(server, tmp_path, "--replica", "1")
        _, said = second.communicate(timeout=PATIENCE_S)
        assert (second.returncode, "another ingest works on" in said) == (1, True), said
    finally:
        first.kill()
        first.communicate()
