"""Where the broker is, how to be let in, and what to tell people when it does not work."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """Where the broker is and how to be let in."""

    host: str = "127.0.0.1"
    port: int = 1883
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None
    """Authority of the broker's certificate; None: the system's."""
    cert_file: Path | None = None
    key_file: Path | None = None
    mqtt5: bool = False

    @property
    def address(self) -> str:
        """host:port for people."""
        return f"{self.host}:{self.port}"


class BrokerConfigError(ValueError):
    """Settings that can never work; one sentence of what to do."""


def tls_context(broker: BrokerConfig) -> ssl.SSLContext:
    """What the TLS settings mean; raises BrokerConfigError."""
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
        if broker.cert_file:
            context.load_cert_chain(broker.cert_file, broker.key_file)
    except (OSError, ssl.SSLError) as error:
        raise BrokerConfigError(
            f"the TLS files cannot be used ({error}); check the paths of authority, certificate "
            "and key, and that they are PEM files"
        ) from error
    return context


_ADVICE: Iterable[tuple[type[BaseException], str]] = (
    (
        ssl.SSLCertVerificationError,
        "its certificate is not trusted: give its authority as CA file, and the host name that "
        "stands in the certificate",
    ),
    (ssl.SSLError, "it does not answer in TLS: check the port, or that TLS is meant"),
    (socket.gaierror, "no machine is known by that name: check the name and the network"),
    (ConnectionRefusedError, "nothing listens there: check that it runs, and the port"),
    (TimeoutError, "it does not answer: check the address, the network and the firewall"),
)


def unreachable(broker: BrokerConfig, error: BaseException | None) -> str:
    """Why no connection could be made, and what to do."""
    for kind, text in _ADVICE:
        if isinstance(error, kind):
            return f"cannot reach the broker at {broker.address}; {text}"
    return (
        f"cannot reach the broker at {broker.address} ({error}); check the address and whether "
        "the port expects TLS"
    )


def refused(broker: BrokerConfig, reason: str) -> str:
    """The broker answered and did not let us in."""
    return (
        f"the broker at {broker.address} refused the log-in ({reason}); check user and password, "
        "an agent's user name is the wearer's pseudonym"
    )


def hung_up(broker: BrokerConfig) -> str:
    """The broker closed the connection before it answered."""
    return (
        f"the broker at {broker.address} hung up before the log-in; check whether the port "
        "expects TLS"
    )
