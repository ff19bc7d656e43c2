"""Ingest into an InfluxDB that is wrong at first and right later."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from analytics import broker
from analytics.ingest import consumer
from analytics.store.clinic import Clinic
from analytics.store.influx import InfluxStore
from analytics.store.influx_admin import Retention, prepare
from tests.analytics.ingest.agent_side import agent, ingest, server_account, wait_until
from tests.analytics.store.samples import SESSION, batch
from tests.servers import influxd, mosquitto

pytestmark = [pytest.mark.mosquitto, pytest.mark.influxdb]


def test_a_database_that_is_made_later(  # noqa: PLR0917
    mosquitto_bin: Path,
    influxd_bin: Path,
    tmp_path: Path,
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(broker, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(consumer, "MAX_RETRY_S", 0.2)
    caplog.set_level(logging.INFO, "analytics.broker")
    with (
        influxd(influxd_bin, tmp_path / "influx") as influx,
        mosquitto(mosquitto_bin, tmp_path / "mosquitto", ("w1",)) as server,
    ):
        login = {"user": influx.user, "password": influx.password}
        store = InfluxStore(influx.url, "later", **login)
        with (
            agent(server) as w1,
            ingest(server_account(server), store, clinic, tmp_path / "data"),
        ):
            w1.send(*(batch(50 * i, seq=i) for i in range(40)))

            def told() -> bool:
                w1.resend()
                return "no database 'later_raw'" in caplog.text

            wait_until(told, "the advice in the log")
            assert w1.committed == {}
            prepare(store.server, "later", Retention())
            w1.wait_for_commit(SESSION, 39)
        assert len(store.read_samples("w1", "back", 0, 2**62)) == 2000
        store.close()
    assert "the store answers again" in caplog.text
