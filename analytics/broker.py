"""The way to the MQTT broker for everything on the clinic's side: address, log-in, TLS, advice."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

__all__ = ["Broker", "BrokerError", "Client", "MQTTMessage", "ReasonCode", "clear_retained"]

KEEPALIVE_S = 60
CONNECT_TIMEOUT_S = 10.0
NEVER: Final = 0xFFFFFFFF
"""MQTT 5, 3.1.2.11.2: the broker keeps the session as 3.1.1 does, without end."""


class BrokerError(Exception):
    """The broker cannot be reached or refuses us; one sentence with what to do next."""

    def __init__(self, message: str, advice: str, *, lasting: bool = False) -> None:
        super().__init__(f"{message}; {advice}")
        self.lasting = lasting
        """Trying again without a change of settings cannot help."""


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

    def connect(self, client: Client, *, keep_session: bool = False) -> None:
        """Open the connection; the log-in is answered in the client's loop. BrokerError.

        keep_session: as it was told to `client`.
        """
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

    def refused(self, reason: ReasonCode) -> BrokerError:
        """What a refused log-in means."""
        return BrokerError(
            f"the broker at {self.address} refused the log-in ({reason})",
            "check --user and --password-file",
            lasting=True,
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
                lasting=True,
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
            lasting=isinstance(error, ssl.SSLCertVerificationError),
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


def clear_retained(broker: Broker, topics: Iterable[str], timeout_s: float = 20.0) -> None:
    """Remove the retained messages of these topics from the broker; raises BrokerError."""
    client = broker.client("", keep_session=False, manual_ack=False)
    answers: list[ReasonCode] = []
    client.on_connect = lambda _c, _d, _f, reason, _p: answers.append(reason)
    broker.connect(client)
    deadline_s = time.monotonic() + timeout_s
    sent = None
    try:
        while sent is None or not all(message.is_published() for message in sent):
            ended = client.loop(0.1) is not MQTTErrorCode.MQTT_ERR_SUCCESS
            if answers and answers[0].is_failure:
                raise broker.refused(answers[0])
            if ended or time.monotonic() > deadline_s:
                raise BrokerError(
                    f"the broker at {broker.address} did not take the change", "try again"
                )
            if answers and sent is None:
                sent = [client.publish(topic, b"", qos=1, retain=True) for topic in topics]
    finally:
        client.disconnect()
