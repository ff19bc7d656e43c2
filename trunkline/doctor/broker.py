"""The MQTT broker: reachable, certificate, log-in, and that its access list keeps wearers apart."""

from __future__ import annotations

import socket
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from analytics.broker import Broker, BrokerError, Client, MQTTMessage
from trunkline.deployment import SERVER_ACCOUNT
from trunkline.doctor.finding import Finding, failed, ok, warning
from wire.topics import Kind, sensor_topic

WHAT: Final = "broker"
TIMEOUT_S: Final = 10.0
QUIET_S: Final = 1.0
"""What the broker would have delivered wrongly has come by then."""
SOON_DAYS: Final = 30
NOBODY: Final = "doctor-probe"
"""A wearer that does not exist; its topic is used for a message without content."""


def check(broker: Broker) -> list[Finding]:
    """Everything about the broker, as far as one step lets the next be tried."""
    findings = []
    if broker.tls:
        findings.append(_certificate(broker))
    elif not _is_this_machine(broker.host):
        findings.append(
            warning(
                f"{WHAT} TLS",
                "passwords and samples travel unencrypted",
                "give --tls-ca, see docs/deployment.md",
            )
        )
    if broker.tls_cert is not None:
        findings.append(_expiry(f"{WHAT} client certificate", _own_end(broker.tls_cert)))
    probe = _Probe(broker)
    try:
        findings += probe.run()
    except BrokerError as error:
        text, _, advice = str(error).partition("; ")
        findings.append(failed(WHAT, text, advice))
    finally:
        probe.close()
    return findings


def _certificate(broker: Broker) -> Finding:
    """How long the broker's certificate is good; one that is not trusted fails at the log-in."""
    what = f"{WHAT} certificate"
    # Not verified here: of a certificate that has expired we want to know when.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        if broker.tls_cert is not None:
            context.load_cert_chain(broker.tls_cert, broker.tls_key)
        with (
            socket.create_connection((broker.host, broker.port), TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=broker.host) as encrypted,
        ):
            raw = encrypted.getpeercert(binary_form=True)
    except (OSError, ssl.SSLError) as error:
        return failed(what, f"could not be had ({error})", "check address and port")
    if raw is None:
        return failed(what, "there is none", "check the broker's configuration")
    return _expiry(what, x509.load_der_x509_certificate(raw).not_valid_after_utc)


def _own_end(path: Path) -> datetime | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None


def _expiry(what: str, end: datetime | None) -> Finding:
    if end is None:
        return failed(what, "cannot be read", "give a PEM file that you may read")
    days = (end - datetime.now(UTC)).total_seconds() / 86400
    renew = "make a new one: trunkline deploy --tls-renew; then restart the broker"
    if days < 0:
        return failed(what, f"expired on {end:%Y-%m-%d}", renew)
    if days < SOON_DAYS:
        return warning(what, f"expires in {days:.0f} days", renew)
    return ok(what, f"good for {days:.0f} days, until {end:%Y-%m-%d}")


def _is_this_machine(host: str) -> bool:
    return host in {"localhost", "127.0.0.1", "::1"}


class _Probe:
    """One connection that tries what the account may do."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._client: Client | None = None
        self._got: list[tuple[str, bytes]] = []
        self._subscribed = False

    def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()

    def run(self) -> list[Finding]:
        broker = self._broker
        self._client = client = broker.client("", keep_session=False, manual_ack=False)
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        broker.log_in(client)
        who = f"as {broker.user}" if broker.user else "without a log-in"
        findings = [ok(WHAT, f"{broker.address} lets us in {who}")]
        if broker.user is None:
            advice = "set allow_anonymous false, see deploy/mosquitto.conf"
            return [*findings, failed(f"{WHAT} access", "anybody may come in", advice)]
        return [*findings, self._access(client, broker.user)]

    def _access(self, client: Client, user: str) -> Finding:
        """Whether the account reads and writes its own and nothing else."""
        what = f"{WHAT} access"
        own, other = _topic(NOBODY if user == SERVER_ACCOUNT else user), _topic(NOBODY)
        client.subscribe([(own, 1), (other, 1)])
        self._until(lambda: self._subscribed)
        if user != SERVER_ACCOUNT:
            client.publish(other, b"", qos=1)
        client.publish(own, b"", qos=1)
        if not self._until(lambda: own in self._topics()):
            return failed(
                what,
                f"{user} does not get what it writes below its own name",
                "write the access list again: trunkline deploy; then restart the broker",
            )
        if user == SERVER_ACCOUNT:
            return ok(what, "the server's account reads and writes")
        self._until(lambda: other in self._topics(), QUIET_S)
        if other in self._topics():
            return failed(
                what,
                f"{user} may read and write other wearers",
                "give the broker the access list of trunkline deploy (acl_file)",
            )
        return ok(what, f"{user} reads and writes its own topics and no others")

    def _topics(self) -> set[str]:
        return {topic for topic, _ in self._got}

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._got.append((message.topic, bytes(message.payload)))

    def _on_subscribe(self, *_args: Any) -> None:
        self._subscribed = True

    def _until(self, condition: Any, timeout_s: float = TIMEOUT_S) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s or self._client is None or self._client.loop(0.1):
                return bool(condition())
        return True


def _topic(wearer: str) -> str:
    """Where an agent may write and read, and nobody minds a message without content."""
    return sensor_topic(wearer, "doctor", Kind.COMMITTED)
