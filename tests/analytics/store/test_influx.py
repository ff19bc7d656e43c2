"""What goes wrong with a server, and what is told: always one line that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from analytics.store.base import Provenance, RejectedError, StoreError
from analytics.store.influx import InfluxStore
from analytics.store.influx_admin import Retention, prepare
from tests.analytics.store.conftest import fresh_wearer
from tests.analytics.store.samples import T0_NS, batch, stored
from tests.servers import Influx, free_port


def every_call(store: InfluxStore) -> list[Callable[[], object]]:
    return [
        lambda: store.write_batches(stored("w", batch(0))),
        lambda: store.read_samples("w", "back", 0, 1),
        lambda: list(store.iter_samples("w", "back", 0, 1, 1)),
        lambda: store.sensors("w"),
        lambda: store.read_batches("w", "back", 0, 1),
        lambda: store.write_results("w", 0, 1, [], Provenance("1", "p")),
        lambda: store.read_results("w", "sway", 0, 1),
        lambda: store.provenances("w", 0, 1),
        lambda: store.erase("w"),
    ]


def assert_told(store: InfluxStore, *words: str) -> None:
    for call in every_call(store):
        with pytest.raises(StoreError) as caught:
            call()
        text = str(caught.value)
        assert "\n" not in text
        assert not isinstance(caught.value, RejectedError)
        for word in words:
            assert word in text
    store.close()


def open_store(influx: Influx, **changes: str | None) -> InfluxStore:
    login = {"user": influx.user, "password": influx.password, **changes}
    return InfluxStore(influx.url, influx.database, **login)


@pytest.mark.influxdb
class TestServer:
    def test_a_wrong_password(self, influx: Influx) -> None:
        assert_told(open_store(influx, password="wrong"), "refused the log-in", "check the token")

    def test_no_log_in_at_all(self, influx: Influx) -> None:
        assert_told(InfluxStore(influx.url, influx.database), "refused the log-in")

    def test_a_secret_is_not_told(self, influx: Influx) -> None:
        store = open_store(influx, password="s3cret-word")
        with pytest.raises(StoreError) as caught:
            store.sensors("w")
        store.close()
        assert "s3cret-word" not in str(caught.value)

    def test_a_missing_database(self, influx: Influx) -> None:
        store = InfluxStore(influx.url, "nowhere", user=influx.user, password=influx.password)
        assert_told(store, "has no database 'nowhere_", "trunkline deploy")

    def test_data_that_the_server_refuses_for_good(self, influx: Influx) -> None:
        admin = open_store(influx)
        prepare(admin.server, "short", Retention(raw_days=1))
        admin.close()
        store = InfluxStore(influx.url, "short", user=influx.user, password=influx.password)
        with pytest.raises(RejectedError, match="beyond retention policy"):
            store.write_batches(stored("w", batch(-50 * 3600 * 24 * 365)))
        store.close()

    def test_a_write_larger_than_one_request(
        self, influx: Influx, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("analytics.store.influx.MAX_SAMPLES_PER_WRITE", 120)
        store = open_store(influx)
        wearer = fresh_wearer()
        store.write_batches(stored(wearer, *(batch(i * 50) for i in range(7))))
        assert len(store.read_samples(wearer, "back", 0, 2**62)) == 350
        store.close()

    def test_a_day_arrives_in_blocks(self, influx: Influx, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("analytics.store.influx_text.BLOCK_BYTES", 1000)
        monkeypatch.setattr("analytics.store.influx_server.CSV_CHUNK_ROWS", 7)
        store = open_store(influx)
        wearer = fresh_wearer()
        store.write_batches(stored(wearer, batch(0, 400)))
        read = store.read_samples(wearer, "back", 0, 2**62)
        assert read.t_ns.tolist() == batch(0, 400).t_ns.tolist()
        assert set(read.values) == {"accel", "gyro"}
        store.close()

    def test_erasing_takes_the_pseudonym_out_of_the_index(self, influx: Influx) -> None:
        store = open_store(influx)
        wearer = fresh_wearer()
        store.write_batches(stored(wearer, batch(0)))
        store.erase(wearer)
        names = [
            row[1]
            for series in store.server.ask(store.raw, "SHOW TAG VALUES WITH KEY = wearer")
            for row in series.values
        ]
        assert wearer not in names
        store.close()


def test_nothing_listens() -> None:
    store = InfluxStore(f"http://127.0.0.1:{free_port()}", "trunkline")
    assert_told(store, "does not answer", "check that it runs")


def test_an_address_that_is_none() -> None:
    with pytest.raises(StoreError, match="is not a URL"):
        InfluxStore("influx:8086", "trunkline")


@contextmanager
def answering(status: int, body: bytes, kind: str) -> Iterator[str]:
    """A server that always says the same."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (502, b"<html>\n<b>Bad gateway</b>\n" + b"x" * 9999, "failed with status 502"),
        (503, b'{"message": "starting"}', "failed with status 503 (starting)"),
        (401, b'{"code":"unauthorized","message":"no"}', "refused the log-in"),
        (404, b'{"message": "bucket \\"trunkline\\" not found"}', "has no database"),
    ],
)
def test_what_other_servers_say(status: int, body: bytes, words: str) -> None:
    with answering(status, body, "application/json") as url:
        store = InfluxStore(url, "trunkline", token="t")
        with pytest.raises(StoreError) as caught:
            store.write_batches(stored("w", batch(0)))
        store.close()
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_an_answer_that_ends_early_is_not_taken_for_the_whole() -> None:
    known = b'{"results":[{"series":[{"columns":["fieldKey"],"values":[["accel_x"]]}]}]}'
    with answering(200, known, "application/json") as url:
        store = InfluxStore(url, "trunkline")
        # The JSON above is also what comes instead of the CSV with its closing section.
        with pytest.raises(StoreError, match="broke off"):
            store.read_samples("w", "back", 0, T0_NS)
        store.close()
    cut = b'{"results":[{"series":[{"columns":["x"],"values":[[1]],"partial":true}]}]}'
    with answering(200, cut, "application/json") as url:
        store = InfluxStore(url, "trunkline")
        with pytest.raises(StoreError, match="cut its answer short"):
            store.read_batches("w", "back", 0, T0_NS)
        store.close()


def test_a_statement_that_a_server_does_not_know_is_not_bad_data() -> None:
    with answering(400, b'{"error": "DELETE is not supported"}', "application/json") as url:
        store = InfluxStore(url, "trunkline")
        with pytest.raises(StoreError, match=r"refused a query .DELETE is not") as caught:
            store.erase("w")
        store.close()
    assert not isinstance(caught.value, RejectedError)


def test_an_answer_that_is_not_json() -> None:
    with answering(200, b"hello", "text/plain") as url:
        store = InfluxStore(url, "trunkline")
        with pytest.raises(StoreError, match="does not answer"):
            store.sensors("w")
        store.close()
