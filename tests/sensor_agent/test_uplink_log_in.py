"""An uplink that is not let in, and what it says of it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import subprocess
import time
from pathlib import Path

import pytest

from sensor_agent.broker import BrokerConfig, BrokerConfigError
from sensor_agent.outbox import Outbox
from sensor_agent.uplink import Uplink, UplinkState
from tests.sensor_agent.broker_side import Ingest, until
from tests.sensor_agent.uplink_side import fill, login, running
from tests.servers import Mosquitto, free_port, wait_until_listening
from wire.ids import new_session

pytestmark = pytest.mark.mosquitto


async def test_a_wrong_password_is_said_once_and_nothing_is_lost(
    broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    fill(outbox, new_session(), 0, 2)
    wrong = dataclasses.replace(login(broker), password="wrong")
    async with running(wrong, outbox) as uplink:
        await until(lambda: uplink.state is UplinkState.REFUSED)
        await asyncio.sleep(1.0)  # several more attempts
        assert uplink.problem is not None
        assert "password" in uplink.problem
    assert outbox.batch_count() == 3
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1
    assert "wrong" not in caplog.text


async def test_an_unreachable_broker_is_said_once(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(BrokerConfig(port=free_port()), outbox) as uplink:
        await until(lambda: uplink.problem is not None)
        await asyncio.sleep(1.0)
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert "nothing listens there" in caplog.text


async def test_an_unknown_name_is_said(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    async with running(BrokerConfig(host="no-such-host.invalid"), outbox) as uplink:
        await until(lambda: uplink.problem is not None)
    assert "check the name" in caplog.text


async def test_plain_broker_when_tls_was_expected(
    broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(dataclasses.replace(login(broker), tls=True), outbox) as uplink:
        await until(lambda: uplink.problem is not None)
    assert "TLS" in caplog.text


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, which is its own authority."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2"]
    command += ["-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.fixture
def tls_broker(mosquitto_bin: Path, tmp_path: Path):
    """(port, authority) of a mosquitto that wants a client certificate."""
    cert, key = make_certificate(tmp_path)
    port = free_port()
    (tmp_path / "tls.conf").write_text(
        f"listener {port} 127.0.0.1\ncafile {cert}\ncertfile {cert}\nkeyfile {key}\n"
        "require_certificate true\nallow_anonymous true\nuser root\n"
    )
    process = subprocess.Popen(
        [mosquitto_bin, "-c", tmp_path / "tls.conf"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_listening(port, process)
        yield BrokerConfig(port=port, tls=True, ca_file=cert, cert_file=cert, key_file=key)
    finally:
        process.terminate()
        process.wait()


async def test_tls_with_client_certificate(tls_broker: BrokerConfig, outbox: Outbox) -> None:
    async with running(tls_broker, outbox) as uplink:
        await until(lambda: uplink.state is UplinkState.CONNECTED)


async def test_an_untrusted_certificate_is_said(
    tls_broker: BrokerConfig, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    config = dataclasses.replace(tls_broker, ca_file=None)
    async with running(config, outbox) as uplink:
        await until(lambda: uplink.problem is not None)
    assert "not trusted" in caplog.text


async def test_no_tls_where_tls_is_expected(
    tls_broker: BrokerConfig, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(BrokerConfig(port=tls_broker.port), outbox) as uplink:
        await until(lambda: uplink.problem is not None)
    assert "TLS" in caplog.text


def test_tls_files_that_do_not_exist(outbox: Outbox, tmp_path: Path) -> None:
    config = BrokerConfig(tls=True, ca_file=tmp_path / "none.pem")
    with pytest.raises(BrokerConfigError, match="TLS files"):
        Uplink(config, outbox, new_session(), time.time_ns)


def test_the_password_is_not_shown() -> None:
    assert "geheim" not in repr(BrokerConfig(password="geheim"))


async def test_a_password_put_right_needs_no_restart(
    broker: Mosquitto, outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    fill(outbox, new_session(), 0, 2)
    config = dataclasses.replace(login(broker), password=None, password_file=secret)
    with Ingest(broker):
        async with running(config, outbox) as uplink:
            await until(lambda: uplink.state is UplinkState.REFUSED)
            secret.unlink()
            await until(lambda: "password file" in caplog.text)
            secret.write_text(broker.password_file("w1").read_text())
            await until(lambda: outbox.batch_count() == 0)
            assert uplink.problem is None
