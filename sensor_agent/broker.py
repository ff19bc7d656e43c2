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
    password_file: Path | None = None
    """Read at every attempt to connect, instead of `password`."""
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

    def present_password(self) -> str | None:
        """As it is now; raises BrokerConfigError."""
        if self.password_file is None:
            return self.password
        try:
            return self.password_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BrokerConfigError(
                f"the password file cannot be read ({error}); check that it is there and readable"
            ) from error


class BrokerConfigError(ValueError):
    """Settings that can never work; one sentence of what to do."""


class _ClosingSocket(ssl.SSLSocket):
    """paho leaves the socket of a failed handshake open: a descriptor at every attempt."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(broker: BrokerConfig) -> ssl.SSLContext:
    """What the TLS settings mean; raises BrokerConfigError."""
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
        context.sslsocket_class = _ClosingSocket
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


_VALIDITY = {
    9: "its certificate is not valid yet: check this machine's clock",
    10: "its certificate has expired: renew it on the broker, or check this machine's clock",
}
"""By OpenSSL's X509_V_ERR numbers."""


def unreachable(broker: BrokerConfig, error: BaseException | None) -> str:
    """Why no connection could be made, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _VALIDITY:
        return f"cannot reach the broker at {broker.address}; {_VALIDITY[error.verify_code]}"
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
