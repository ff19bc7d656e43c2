"""Databases with their retention, and accounts that may do no more than they need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from secrets import token_hex

import pytest
from click.testing import CliRunner

from analytics.store.base import Provenance, Result, StoreError
from analytics.store.influx import InfluxStore, databases
from analytics.store.influx_admin import SERVICES, Retention, keeps_for, make_accounts, prepare
from analytics.store.influx_server import InfluxServer
from tests.analytics.store.conftest import HAS_INFLUX2
from tests.analytics.store.samples import T0_NS, batch, stored
from tests.servers import Influx, Influx2
from trunkline.cli import main

pytestmark = pytest.mark.influxdb


def admin(influx: Influx) -> InfluxServer:
    return InfluxServer(influx.url, user=influx.user, password=influx.password)


def test_databases_are_made_once_and_their_retention_follows(influx: Influx) -> None:
    with closing(admin(influx)) as server:
        assert server.major == 1
        assert prepare(server, "clinic", Retention(raw_days=90)) == [*databases("clinic")]
        assert prepare(server, "clinic", Retention(raw_days=30)) == []
        assert keeps_for(server, "clinic_raw") == "720h0m0s"
        assert keeps_for(server, "clinic_results") is None
        with pytest.raises(StoreError):
            keeps_for(server, "nowhere_raw")


@pytest.fixture(params=["1.x", *(["2.x"] if HAS_INFLUX2 else [])])
def ward(request: pytest.FixtureRequest) -> Iterator[dict[str, InfluxStore]]:
    """Service -> the store with the account of that service."""
    if request.param == "1.x":
        influx: Influx = request.getfixturevalue("influx")
        url, server = influx.url, admin(influx)
    else:
        found: Influx2 = request.getfixturevalue("influx2_server")
        url, server = found.url, InfluxServer(found.url, token=found.token, org=found.org)
    name = f"ward-{token_hex(4)}"
    with closing(server):
        prepare(server, name, Retention())
        accounts = make_accounts(server, name, SERVICES)
        logins = {
            service: {"token": secret, "org": server.org}
            if server.major == 2
            else {"user": f"{name}_{service}", "password": secret}
            for service, secret in accounts.items()
        }
    stores = {service: InfluxStore(url, name, **login) for service, login in logins.items()}
    yield stores
    for store in stores.values():
        store.close()


def test_every_service_may_do_what_it_needs_and_nothing_else(
    ward: dict[str, InfluxStore],
) -> None:
    results = [Result("sway", T0_NS, T0_NS + 1, {})]
    for service, store in ward.items():
        rights = SERVICES[service]

        def write(store: InfluxStore = store) -> object:
            return store.write_batches(stored("w", batch(0)))

        def read(store: InfluxStore = store) -> object:
            return len(store.read_samples("w", "back", 0, 2**62))

        def read_results(store: InfluxStore = store) -> object:
            return store.read_results("w", "sway", 0, 2**62)

        def write_results(store: InfluxStore = store) -> object:
            return store.write_results("w", T0_NS, T0_NS + 1, results, Provenance("1", "p"))

        calls: list[tuple[Callable[[], object], bool]] = [
            (write, "raw" in rights.write),
            (read, "raw" in rights.read),
            (read_results, "results" in rights.read),
            (write_results, {"results"} <= rights.write & rights.read),
        ]
        for call, allowed in calls:
            if allowed:
                call()
            else:
                # 2.x says of a bucket that may not be read that it is not there.
                with pytest.raises(StoreError, match=r"refused|has no database"):
                    call()
    ward["ingest"].write_batches(stored("gone", batch(0)))
    ward["ingest"].erase("gone")
    assert ward["keeper"].sensors("gone") == []


def test_deploy_sets_a_server_up(influx: Influx, tmp_path: Path) -> None:
    def deploy() -> str:
        arguments = ["deploy", "--wearer", "p-001", "--secrets-dir", str(tmp_path)]
        arguments += ["--influx-url", influx.url, "--influx-admin", influx.user]
        result = CliRunner().invoke(main, [*arguments, "--influx-database", "deployed"])
        return f"{result.exit_code} {result.output}"

    (tmp_path / "influx-admin.password").write_text("wrong")
    assert deploy().startswith("1 ")
    (tmp_path / "influx-admin.password").write_text(influx.password)
    first = deploy()
    assert first.startswith("0 "), first
    secret = tmp_path / "influx-ingest.password"
    before = secret.read_text()
    assert deploy().startswith("0 ")
    assert secret.read_text() == before
    login = {"user": "deployed_ingest", "password": before}
    with closing(InfluxStore(influx.url, "deployed", **login)) as store:
        store.write_batches(stored("w", batch(0)))
