"""A certificate authority of one's own and what it signs, so that TLS needs no other help.

EC keys on P-256, SHA-256: understood by every TLS library of the last ten years.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS: Final = 3650
LEAF_DAYS: Final = 820
"""Two years and three months: devices that limit a certificate's life accept 825 days."""
BACKDATED: Final = timedelta(hours=1)
"""Clocks of small computers are often a little behind."""
_CA_KEY, _CA = "ca.key", "ca.crt"


def make_authority(folder: Path) -> list[Path]:
    """ca.key and ca.crt in `folder`, unless ca.crt is there; returns what is new. The key may be
    kept elsewhere while there is nothing to sign."""
    key_path, path = folder / _CA_KEY, folder / _CA
    if path.exists():
        return []
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trunkline deployment")])
    certificate = (
        _builder(name, name, key.public_key(), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_ca=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(key_path, _pem(key), 0o600)
    _write(path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return [key_path, path]


def make_server(folder: Path, names: Iterable[str], *, days: int = LEAF_DAYS) -> list[Path]:
    """mqtt.crt and mqtt.key for these host names and addresses, signed by the authority in
    `folder`. Raises OSError, ValueError."""
    wanted = list(names)
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    return _make_leaf(folder, "mqtt", wanted[0], names=wanted, usage=usage, days=days)


def make_client(folder: Path, account: str, *, days: int = LEAF_DAYS) -> list[Path]:
    """{account}.crt and {account}.key: what an agent or the server shows the broker."""
    usage = ExtendedKeyUsageOID.CLIENT_AUTH
    return _make_leaf(folder, f"client-{account}", account, names=[], usage=usage, days=days)


def client_path(folder: Path, account: str) -> Path:
    """The certificate that make_client makes."""
    return folder / f"client-{account}.crt"


def names_in(folder: Path) -> list[str]:
    """Host names and addresses in the broker's certificate; none when there is no certificate."""
    path = folder / "mqtt.crt"
    if not path.exists():
        return []
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def _make_leaf(
    folder: Path,
    stem: str,
    common_name: str,
    *,
    names: list[str],
    usage: x509.ObjectIdentifier,
    days: int,
) -> list[Path]:
    if not (folder / _CA_KEY).exists():
        raise ValueError(f"{_CA_KEY}, which signs them, is not there: put it back")
    authority = x509.load_pem_x509_certificate((folder / _CA).read_bytes())
    signer = serialization.load_pem_private_key((folder / _CA_KEY).read_bytes(), password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError(  # noqa: TRY004 - the file's content, not a caller's type
            f"{_CA_KEY} is not the key that trunkline deploy has made"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        _builder(subject, authority.subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if names:
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    key_path, path = folder / f"{stem}.key", folder / f"{stem}.crt"
    _write(key_path, _pem(key), 0o644)
    _write(path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return [key_path, path]


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + timedelta(days=days)) - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, text: bytes, mode: int) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(text)
    fresh.chmod(mode)
    fresh.replace(path)
