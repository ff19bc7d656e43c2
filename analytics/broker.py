"""The way to the MQTT broker for everything on the clinic's side: address, log-in, TLS, advice."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

__all__ = [
    "Broker",
    "BrokerError",
    "Client",
    "MQTTMessage",
    "ReasonCode",
    "Retry",
    "clear_retained",
    "keep_connected",
]

logger = logging.getLogger(__name__)

KEEPALIVE_S = 60
CONNECT_TIMEOUT_S = 10.0
LOGIN_TIMEOUT_S: Final = 20.0
FIRST_RETRY_S: Final = 0.5
MAX_RECONNECT_S: Final = 15.0
NEVER: Final = 0xFFFFFFFF
"""MQTT 5, 3.1.2.11.2: the broker keeps the session as 3.1.1 does, without end."""


class BrokerError(Exception):
    """The broker cannot be reached or refuses us; one sentence with what to do next."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")


class _ClosingSocket(ssl.SSLSocket):
    """paho leaves the socket of a failed handshake open: a descriptor at every attempt."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how to enter it."""

    host: str = "127.0.0.1"
    port: int = 1883
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None
    """Read for every client, instead of `password`."""
    tls: bool = False
    tls_ca: Path | None = None
    """None: the system's authorities."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    mqtt5: bool = False
    """MQTT 3.1.1 otherwise, the only one that the embedded broker speaks."""

    @property
    def address(self) -> str:
        """host:port for messages to people."""
        return f"{self.host}:{self.port}"

    def client(self, client_id: str, *, keep_session: bool, manual_ack: bool) -> Client:
        """A client that is not connected yet; raises BrokerError for unusable TLS files."""
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            # MQTT 5 says it at connect, see there
            clean_session=None if self.mqtt5 else not keep_session,
            protocol=MQTTProtocolVersion.MQTTv5 if self.mqtt5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=manual_ack,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self.user is not None:
            client.username_pw_set(self.user, self._present_password())
        if self.tls:
            client.tls_set_context(self._tls_context())
        return client

    def log_in(
        self,
        client: Client,
        *,
        keep_session: bool = False,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Connect and wait until we are let in, or until it `is_stopped`. BrokerError.

        keep_session: as it was told to `client`.
        """
        answers: list[ReasonCode] = []
        client.on_connect = lambda _c, _d, _f, reason, _p: answers.append(reason)
        self._connect(client, keep_session=keep_session)
        deadline_s = time.monotonic() + LOGIN_TIMEOUT_S
        while not answers and not is_stopped():
            ended = client.loop(0.1) is not MQTTErrorCode.MQTT_ERR_SUCCESS
            if not answers and (ended or time.monotonic() > deadline_s):
                raise BrokerError(
                    f"the broker at {self.address} hung up before the log-in",
                    "check whether the port expects TLS (--tls-ca)",
                )
        if answers and answers[0].is_failure:
            raise self._refused(answers[0])

    def _connect(self, client: Client, *, keep_session: bool) -> None:
        version5: dict[str, Any] = {}
        if self.mqtt5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            if keep_session:
                properties.SessionExpiryInterval = NEVER
            version5 = {"clean_start": not keep_session, "properties": properties}
        try:
            client.connect(self.host, self.port, KEEPALIVE_S, **version5)
        except (OSError, ValueError) as error:
            raise self._unreachable(error) from error

    def _refused(self, reason: ReasonCode) -> BrokerError:
        return BrokerError(
            f"the broker at {self.address} refused the log-in ({reason})",
            "check --user and --password-file",
        )

    def _present_password(self) -> str | None:
        if self.password_file is None:
            return self.password
        try:
            return self.password_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BrokerError(
                f"the password file cannot be read ({error})", "check that it is there and readable"
            ) from error

    def _tls_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
            context.sslsocket_class = _ClosingSocket
            if self.tls_cert is not None:
                context.load_cert_chain(self.tls_cert, self.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise BrokerError(
                f"the TLS files cannot be used ({error})",
                "check --tls-ca, --tls-cert and --tls-key: readable PEM files that belong together",
            ) from error
        return context

    def _unreachable(self, error: Exception) -> BrokerError:
        if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _VALIDITY:
            return BrokerError(
                f"cannot reach the broker at {self.address}", _VALIDITY[error.verify_code]
            )
        return BrokerError(
            f"cannot reach the broker at {self.address}",
            next((advice for kind, advice in _ADVICE if isinstance(error, kind)), str(error)),
        )


_VALIDITY = {
    9: "its certificate is not valid yet: check this machine's clock",
    10: "its certificate has expired: renew it on the broker, or check this machine's clock",
}
"""By OpenSSL's X509_V_ERR numbers; a matter of waiting or of the broker, not of our settings."""

_ADVICE: Iterable[tuple[type[Exception], str]] = (
    (
        ssl.SSLCertVerificationError,
        "its certificate is not trusted: give its authority with --tls-ca, and the host name that "
        "stands in the certificate",
    ),
    (ssl.SSLError, "it does not answer in TLS: check the port"),
    (socket.gaierror, "no machine is known by that name"),
    (ConnectionRefusedError, "nothing listens there: check that it runs, and the port"),
    (TimeoutError, "it does not answer: check the address, the network and the firewall"),
)


class Retry:
    """Waits that double, and one line in the log for a trouble that lasts."""

    def __init__(self, longest_s: float, says: str = "%s (trying again; nothing is lost)") -> None:
        self._longest_s, self._says = longest_s, says
        self._wait_s = FIRST_RETRY_S
        self._said = ""

    def failed(self, error: Exception) -> float:
        """Seconds to wait before the next attempt."""
        if str(error) != self._said:
            logger.warning(self._says, error)
            self._said = str(error)
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, self._longest_s)
        return wait_s

    def succeeded(self, text: str, *arguments: object) -> None:
        """The trouble is over; said if there was any."""
        if self._said:
            logger.info(text, *arguments)
        self._said, self._wait_s = "", FIRST_RETRY_S


def keep_connected(
    broker: Broker,
    stop: threading.Event,
    make: Callable[[], Client],
    work: Callable[[Client], None],
    *,
    says: str = "%s (trying again; nothing is lost)",
    keep_session: bool = False,
) -> None:
    """One connection after the other until `stop` is set: whatever keeps us out is said once and
    waited for, since accounts, certificates and clocks are put right on the broker's side.

    make: a client for every connection: password and TLS files are read anew, and nothing of an
    old connection is left in it; work: called once logged in, returns when the connection ends.
    """
    retry = Retry(MAX_RECONNECT_S, says)
    while not stop.is_set():
        client: Client | None = None
        try:
            client = make()
            broker.log_in(client, keep_session=keep_session, is_stopped=stop.is_set)
            if not stop.is_set():
                retry.succeeded("connected to the broker at %s", broker.address)
                work(client)
            if not stop.is_set():
                raise BrokerError(
                    f"the connection to the broker at {broker.address} ended", "connecting again"
                )
        except BrokerError as error:
            stop.wait(retry.failed(error))
        finally:
            if client is not None:
                client.disconnect()


def clear_retained(broker: Broker, topics: Iterable[str], timeout_s: float = 20.0) -> None:
    """Remove the retained messages of these topics from the broker; raises BrokerError."""
    client = broker.client("", keep_session=False, manual_ack=False)
    deadline_s = time.monotonic() + timeout_s
    try:
        broker.log_in(client)
        sent = [client.publish(topic, b"", qos=1, retain=True) for topic in topics]
        while not all(message.is_published() for message in sent):
            ended = client.loop(0.1) is not MQTTErrorCode.MQTT_ERR_SUCCESS
            if ended or time.monotonic() > deadline_s:
                raise BrokerError(
                    f"the broker at {broker.address} did not take the change", "try again"
                )
    finally:
        client.disconnect()
