"""What Grafana shows: how batches come, and nothing about people's movement."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from analytics.store.base import StoredBatch
from analytics.store.influx import InfluxStore
from analytics.store.influx_admin import SERVICES
from tests.analytics.store.samples import T0_NS, batch
from tests.servers import influxd

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"
SOURCES = yaml.safe_load((FOLDER / "provisioning/datasources/operations.yml").read_text())
BOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
FIELDS = {"dt_ns", "n", "session", "seq", "lost", "flags", "rx_ns", "clock_err_ns"}


def panels() -> list[dict[str, Any]]:
    return [panel for path in BOARDS for panel in json.loads(path.read_text())["panels"]]


def queries() -> list[str]:
    return [target["query"] for panel in panels() for target in panel["targets"]]


def test_the_only_source_is_the_operations_database() -> None:
    (source,) = SOURCES["datasources"]
    assert source["jsonData"]["dbName"] == "trunkline_operations"
    assert source["secureJsonData"] == {
        "httpHeaderValue1": "Token $__file{/run/secrets/influx_grafana_token}"
    }
    assert "password" not in source
    assert (SERVICES["grafana"].read, SERVICES["grafana"].write) == ({"operations"}, set())
    used = {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]}
    assert used == {source["uid"]}


def test_boards_are_provisioned_and_whole() -> None:
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/trunkline.yml").read_text())[
        "providers"
    ]
    compose = (FOLDER.parents[1] / "docker-compose.yml").read_text()
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in compose
    assert "./deploy/grafana/provisioning:/etc/grafana/provisioning:ro" in compose
    assert BOARDS
    for path in BOARDS:
        board = json.loads(path.read_text())
        assert board["uid"]
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids) > 3
        places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]}
        assert len(places) == len(ids)


def test_queries_speak_of_batches_only() -> None:
    for query in queries():
        measurements = re.findall(r'FROM "(\w+)"', query)
        assert measurements == ["batch"], query
        quoted = set(re.findall(r'"(\w+)"', query)) - {"batch", "wearer", "sensor", "per_wearer"}
        assert quoted <= FIELDS, query


@pytest.fixture
def store(influxd_bin: Path, tmp_path: Path) -> Iterator[InfluxStore]:
    with influxd(influxd_bin, tmp_path / "influx") as server:
        store = InfluxStore(server.url, server.database, user=server.user, password=server.password)
        yield store
        store.close()


@pytest.mark.influxdb
def test_a_real_server_answers_every_query(store: InfluxStore) -> None:
    store.write_batches(
        [StoredBatch(w, "back", batch(50 * n, seq=n)) for w in ("w1", "w2") for n in range(5)]
    )
    inside = f"time >= {T0_NS - 10**9} AND time < {T0_NS + 60 * 10**9}"
    for query in queries():
        found = store.server.ask(store.operations, query.replace("$timeFilter", inside))
        assert found, query
