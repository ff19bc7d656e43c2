"""Both stores behind one fixture: what holds for one must hold for the other."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from analytics.store.base import Store, StoredBatch
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx_admin import SERVICES, Retention, make_accounts, prepare
from analytics.store.influx_server import InfluxServer
from tests.analytics.store.child import opened
from tests.servers import Influx, Influx2, influxd, influxd2, influxd2_bin


@pytest.fixture(scope="session")
def influx(influxd_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    """An influxd with authentication, shared by the tests: they tell wearers apart."""
    with influxd(influxd_bin, tmp_path_factory.mktemp("influx")) as server:
        yield server


class Compacting(EmbeddedStore):
    """Packs after every write whatever there is: nothing may change by it."""

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        super().write_batches(items)
        self.compact(2**62)


Where = Mapping[str, Any]
"""Which store, as a child process is told."""


def open_store(where: Where) -> Store:
    return Compacting(Path(where["path"])) if where["kind"] == "compacting" else opened(where)


INFLUX2_URL = os.environ.get("TRUNKLINE_TEST_INFLUX2_URL")
"""A running InfluxDB 2.x; TRUNKLINE_TEST_INFLUX2_TOKEN is an administrator's token of it and
TRUNKLINE_TEST_INFLUX2_ORG its organisation. Without one an influxd 2.x that is found is started;
optional: with either the tests run against 2.x as well."""
INFLUXD2 = None if INFLUX2_URL else influxd2_bin()
HAS_INFLUX2 = bool(INFLUX2_URL or INFLUXD2)


@pytest.fixture(scope="session")
def influx2_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx2]:
    """A 2.x server and an administrator's token."""
    if INFLUX2_URL:
        token = os.environ["TRUNKLINE_TEST_INFLUX2_TOKEN"]
        yield Influx2(INFLUX2_URL, token, os.environ["TRUNKLINE_TEST_INFLUX2_ORG"])
        return
    assert INFLUXD2 is not None
    with influxd2(INFLUXD2, tmp_path_factory.mktemp("influx2")) as server:
        yield server


@pytest.fixture(scope="session")
def influx2(influx2_server: Influx2) -> Where:
    """Databases of their own on the 2.x server, with the keeper's token."""
    database, org = f"test-{secrets.token_hex(4)}", influx2_server.org
    with closing(InfluxServer(influx2_server.url, token=influx2_server.token, org=org)) as server:
        assert server.major == 2
        prepare(server, database, Retention())
        tokens = make_accounts(server, database, SERVICES)
    return {
        "kind": "influx",
        "url": influx2_server.url,
        "database": database,
        "token": tokens["keeper"],
        "org": org,
    }


KINDS = [
    pytest.param("embedded"),
    pytest.param("compacting"),
    pytest.param("influx", marks=pytest.mark.influxdb),
    *([pytest.param("influx2")] if HAS_INFLUX2 else []),
]


@pytest.fixture(params=KINDS)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    """A store that does not exist yet, or a server."""
    if request.param == "influx2":
        return dict(request.getfixturevalue("influx2"))
    if request.param != "influx":
        return {"kind": request.param, "path": str(tmp_path / "samples.db")}
    server: Influx = request.getfixturevalue("influx")
    return {
        "kind": "influx",
        "url": server.url,
        "database": server.database,
        "user": server.user,
        "password": server.password,
    }


@pytest.fixture
def store(where: Where) -> Iterator[Store]:
    opened = open_store(where)
    yield opened
    opened.close()


@pytest.fixture
def wearer(store: Store) -> Callable[[], str]:
    """A new pseudonym at every call: the InfluxDB server is shared."""
    return fresh_wearer


_count = iter(range(10**9))


def fresh_wearer() -> str:
    return f"w-{next(_count)}"
