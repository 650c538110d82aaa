import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from prometheus_client import REGISTRY

from chassis import certificate
from chassis.embedded import certificates
from chassis.embedded.certificates import Authority
from chassis.settings import Tls


def issued(folder: Path) -> Tls:
    identity = Authority(folder).issue("projects")
    return Tls(identity.authority, identity.certificate, identity.key)


def told() -> float | None:
    return REGISTRY.get_sample_value("tls_certificate_expires_timestamp_seconds")


def test_the_end_of_a_certificate_is_told(tmp_path: Path) -> None:
    tls = issued(tmp_path)
    end = x509.load_pem_x509_certificate(tls.certificate_file.read_bytes()).not_valid_after_utc
    certificate.tell(tls)
    assert told() == end.timestamp()


def test_the_end_of_one_that_is_over_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "LIFETIME", dt.timedelta(minutes=-1))
    monkeypatch.setattr(certificates, "CLOCK_TOLERANCE", dt.timedelta(hours=1))
    tls = issued(tmp_path)
    assert certificate.expires_at(tls) < dt.datetime.now(dt.UTC).timestamp()


def test_a_process_whose_certificate_cannot_be_read_starts_all_the_same(tmp_path: Path) -> None:
    tls = issued(tmp_path)
    tls.certificate_file.write_text("no certificate")
    before = told()
    certificate.tell(tls)
    certificate.tell(None)
    assert told() == before
