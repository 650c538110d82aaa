"""A local certificate authority and one certificate per process, for mutual TLS where nobody issues certificates.

The shape is the one that a service mesh issues: the process's name in a SPIFFE URI (SPIFFE-ID, section 2)
and in DNS names.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chassis.embedded.private_file import write_private
from chassis.embedded.process import EmbeddedError

if TYPE_CHECKING:
    from pathlib import Path

TRUST_DOMAIN = "neoforge"
AUTHORITY_LIFETIME = dt.timedelta(days=3650)
LIFETIME = dt.timedelta(days=90)
RENEWED_BEFORE = dt.timedelta(days=30)
CLOCK_TOLERANCE = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """The files that a process proves itself with, and those by which it checks its peers."""

    authority: Path
    certificate: Path
    key: Path


class Authority:
    """The local certificate authority; its key and all that it issued lie in `folder`, one folder per process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._certificate_file = folder / "ca.crt"
        self._key_file = folder / "ca.key"
        folder.mkdir(parents=True, exist_ok=True)
        if not (self._key_file.exists() and self._certificate_file.exists()):
            self._make()
        self._key, self._certificate = self._read()
        if _ends_soon(self._certificate):
            self._make()
            self._key, self._certificate = self._read()

    def _read(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        try:
            key = _private_key(self._key_file.read_bytes())
            return key, x509.load_pem_x509_certificate(self._certificate_file.read_bytes())
        except ValueError as error:
            folder = self._key_file.parent
            raise EmbeddedError(f"The certificates in {folder} are damaged ({error}). Remove that folder.") from error

    def issue(self, process: str) -> Identity:
        """The files of `process`, kept from before unless they are damaged, foreign or near their end."""
        folder = self._folder / process
        folder.mkdir(exist_ok=True)
        identity = Identity(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
        if not self._holds(identity):
            self._sign(process, identity)
        return identity

    def _holds(self, identity: Identity) -> bool:
        try:
            certificate = x509.load_pem_x509_certificate(identity.certificate.read_bytes())
            certificate.verify_directly_issued_by(self._certificate)
            key = _private_key(identity.key.read_bytes())
            authority = identity.authority.read_bytes()
        except (OSError, ValueError, TypeError, InvalidSignature):
            return False
        return (
            not _ends_soon(certificate)
            and key.public_key() == certificate.public_key()
            and authority == self._certificate_file.read_bytes()
        )

    def _sign(self, process: str, identity: Identity) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [
                x509.UniformResourceIdentifier(f"spiffe://{TRUST_DOMAIN}/{process}"),
                x509.DNSName(process),
                x509.DNSName("localhost"),
                x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
                x509.IPAddress(ipaddress.IPv6Address("::1")),
            ]
        )
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        certificate = (
            self._builder(process, key.public_key(), LIFETIME)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(usages, critical=False)
            .add_extension(names, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        write_private(identity.key, _pem(key))
        identity.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        identity.authority.write_bytes(self._certificate_file.read_bytes())

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder("NeoForge local authority", key.public_key(), AUTHORITY_LIFETIME)
        certificate = (
            builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "NeoForge local authority")]))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self._key_file, _pem(key))
        self._certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))

    @staticmethod
    def _builder(name: str, key: ec.EllipticCurvePublicKey, lifetime: dt.timedelta) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_TOLERANCE)
            .not_valid_after(now + lifetime)
        )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic-curve key")  # noqa: TRY004 - the file is wrong, not the caller
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _ends_soon(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc - dt.datetime.now(dt.UTC) < RENEWED_BEFORE
