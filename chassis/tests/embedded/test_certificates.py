import socket
import ssl
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from chassis.embedded import certificates
from chassis.embedded.certificates import Authority, Identity
from chassis.embedded.process import EmbeddedError


def read(identity: Identity) -> x509.Certificate:
    return x509.load_pem_x509_certificate(identity.certificate.read_bytes())


def test_a_certificate_names_its_process_in_the_ways_that_peers_look_for(tmp_path: Path) -> None:
    certificate = read(Authority(tmp_path).issue("projects"))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://neoforge/projects"]
    assert names.get_values_for_type(x509.DNSName) == ["projects", "localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


def test_two_processes_of_one_authority_trust_each_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    assert handshake(authority.issue("gateway"), authority.issue("projects")) == "spiffe://neoforge/gateway"


def test_a_process_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours").issue("projects"), Authority(tmp_path / "theirs").issue("gateway")
    theirs.authority.write_bytes(ours.authority.read_bytes())
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(theirs, ours)


def handshake(client: Identity, server: Identity) -> str:
    """Connect by mutual TLS; the URI by which the server knows the client."""
    incoming = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=server.authority)
    incoming.verify_mode = ssl.CERT_REQUIRED
    incoming.load_cert_chain(server.certificate, server.key)
    outgoing = ssl.create_default_context(cafile=client.authority)
    outgoing.load_cert_chain(client.certificate, client.key)
    left, right = socket.socketpair()
    connected: list[ssl.SSLSocket] = []

    def connect() -> None:
        connected.append(outgoing.wrap_socket(left, server_hostname="projects"))

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        with incoming.wrap_socket(right, server_side=True) as secured:
            peer = secured.getpeercert() or {}
            return next(str(value) for kind, value in peer["subjectAltName"] if kind == "URI")  # type: ignore[misc]
    finally:
        right.close()
        thread.join()
        left.close()
        for connection in connected:
            connection.close()


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    identity = Authority(tmp_path).issue("gateway")
    assert stat.S_IMODE(identity.key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600


def test_certificates_stay_from_start_to_start(tmp_path: Path) -> None:
    first = read(Authority(tmp_path).issue("gateway"))
    assert read(Authority(tmp_path).issue("gateway")) == first


def test_a_certificate_near_its_end_is_renewed_under_the_same_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "LIFETIME", timedelta(days=20))
        old = Authority(tmp_path).issue("gateway")
        before, authority = read(old), old.authority.read_bytes()
    renewed = Authority(tmp_path).issue("gateway")
    assert read(renewed).not_valid_after_utc > before.not_valid_after_utc
    assert renewed.authority.read_bytes() == authority


@pytest.mark.parametrize("damage", ["certificate", "key", "authority"])
def test_a_damaged_file_of_a_process_is_issued_again(tmp_path: Path, damage: str) -> None:
    identity = Authority(tmp_path).issue("gateway")
    getattr(identity, damage).write_text("nonsense")
    again = Authority(tmp_path)
    assert handshake(again.issue("gateway"), again.issue("projects")) == "spiffe://neoforge/gateway"


def test_an_authority_near_its_end_is_replaced_with_all_that_it_issued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "AUTHORITY_LIFETIME", timedelta(days=20))
        old = Authority(tmp_path).issue("gateway").authority.read_bytes()
    again = Authority(tmp_path)
    assert handshake(again.issue("gateway"), again.issue("projects")) == "spiffe://neoforge/gateway"
    assert again.issue("gateway").authority.read_bytes() != old


def test_a_damaged_authority_is_named(tmp_path: Path) -> None:
    Authority(tmp_path)
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(EmbeddedError, match="Remove that folder"):
        Authority(tmp_path)
