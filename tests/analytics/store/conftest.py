"""Both stores behind one fixture: what holds for one must hold for the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analytics.store.base import Store
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from tests.servers import Influx, influxd


@pytest.fixture(scope="session")
def influx(influxd_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    """An influxd with authentication, shared by the tests: they tell wearers apart."""
    with influxd(influxd_bin, tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture(
    params=[
        pytest.param("embedded"),
        pytest.param("influx", marks=pytest.mark.influxdb),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store
    if request.param == "embedded":
        opened = EmbeddedStore(tmp_path / "samples.db")
    else:
        server: Influx = request.getfixturevalue("influx")
        opened = InfluxStore(
            server.url, server.database, user=server.user, password=server.password
        )
    yield opened
    opened.close()


@pytest.fixture
def wearer(store: Store) -> Callable[[], str]:
    """A new pseudonym at every call: the InfluxDB server is shared."""
    return fresh_wearer


_count = iter(range(10**9))


def fresh_wearer() -> str:
    return f"w-{next(_count)}"
