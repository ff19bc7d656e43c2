"""The audit over InfluxDB, with no more rights there than the worker has."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from analytics.audit.account import Reason
from analytics.audit.gather import audit_day
from analytics.exposure.days import Day
from analytics.store.clinic import Clinic
from analytics.store.influx import InfluxStore
from analytics.store.influx_admin import make_accounts
from analytics.store.influx_server import InfluxServer
from tests.analytics.store.samples import T0_NS, batch, stored
from tests.servers import influxd

pytestmark = pytest.mark.influxdb


def test_what_influxdb_holds_is_audited_by_the_worker(influxd_bin: Path, tmp_path: Path) -> None:
    clinic = Clinic(tmp_path / "clinic.db")
    clinic.add_wearer("w1", "UTC")
    day = Day.at(T0_NS, ZoneInfo("UTC"))
    with influxd(influxd_bin, tmp_path / "influx") as server:
        admin = InfluxStore(server.url, server.database, user=server.user, password=server.password)
        admin.write_batches(stored("w1", batch(0, seq=0), batch(50, seq=1), batch(150, seq=2)))
        server_api = InfluxServer(server.url, user=server.user, password=server.password)
        secrets = make_accounts(server_api, server.database, ["worker"])
        worker = InfluxStore(
            server.url,
            server.database,
            user=f"{server.database}_worker",
            password=secrets["worker"],
        )
        (found,) = audit_day(worker, clinic, "w1", day.date)
        assert (found.stored, found.duplicates) == (150, 0)
        assert found.missing[Reason.UNEXPLAINED] == 50
        worker.close()
        admin.close()
    clinic.close()
