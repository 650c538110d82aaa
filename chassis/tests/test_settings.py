import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest
from pydantic import SecretStr, model_validator

from chassis.embedded.certificates import Authority
from chassis.settings import (
    EX_CONFIG,
    Environment,
    MigrationSettings,
    ProcessSettings,
    ServiceSettings,
    for_worker,
    load,
)

GOOD = {
    "ENVIRONMENT": "test",
    "LISTEN": "127.0.0.1:8090",
    "OPS_LISTEN": "[::1]:9090",
    "DATABASE_URL": "postgresql://projects:password@localhost:5432/neoforge",
    "CURSOR_SECRET": "0123456789abcdef0123456789abcdef",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(f"NEOFORGE_{name}", value)


def refusal(capsys: pytest.CaptureFixture[str], cls: type[ProcessSettings] = ServiceSettings) -> str:
    with pytest.raises(SystemExit) as ended:
        load(cls)
    assert ended.value.code == EX_CONFIG
    return capsys.readouterr().err


def test_good_settings_are_read_from_the_environment() -> None:
    settings = load(ServiceSettings)
    assert settings.environment is Environment.TEST
    assert (settings.listen, settings.ops_listen) == ("127.0.0.1:8090", "[::1]:9090")
    assert settings.trusted_callers == ("gateway",)
    assert settings.tls is None


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOFORGE_TRUSTED_CALLERS", "gateway, support ,")
    assert load(ServiceSettings).trusted_callers == ("gateway", "support")


def test_every_bad_setting_is_named_at_once_and_no_secret_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad = {
        "ENVIRONMENT": "moon",
        "LISTEN": "8090",
        "OPS_LISTEN": "localhost:99999",
        "DATABASE_URL": "mysql://root:hunter2@localhost/neoforge",
        "DATABASE_POOL_SIZE": "hunter2",
        "DATABASE_LOCK_TIMEOUT_MS": "0",
        "CURSOR_SECRET": "hunter2",
        "LOG_LEVEL": "hunter2",
        "IDEMPOTENCY_TTL_HOURS": "-1",
        "TLS_CA": str(tmp_path / "hunter2.pem"),
    }
    for name, value in bad.items():
        monkeypatch.setenv(f"NEOFORGE_{name}", value)
    said = refusal(capsys)
    assert all(f"NEOFORGE_{name}: " in said for name in bad), said
    assert "hunter2" not in said
    line = json.loads(said)
    assert (line["level"], line["logger"]) == ("critical", "chassis.settings")
    assert all(f"NEOFORGE_{name}: " in line["message"] for name in bad)


def test_a_person_at_a_terminal_gets_the_bad_settings_as_a_list() -> None:
    reader, terminal = os.openpty()
    program = "from chassis.settings import refuse; refuse([('NEOFORGE_A', 'is bad'), ('NEOFORGE_B', 'is missing')])"
    ended = subprocess.run([sys.executable, "-c", program], stderr=terminal, check=False)
    said = os.read(reader, 4096).decode().splitlines()
    os.close(reader)
    os.close(terminal)
    assert ended.returncode == EX_CONFIG
    assert said == ["refusing to start, 2 bad setting(s):", "  NEOFORGE_A: is bad", "  NEOFORGE_B: is missing"]


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("NEOFORGE_CURSOR_SECRET")
    monkeypatch.setenv("NEOFORGE_LISTEN", "")  # as an orchestrator writes a variable that it has no value for
    assert "2 bad setting(s)" in refusal(capsys)


def test_a_setting_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a-secret-from-a-file-of-enough-length\n")
    monkeypatch.delenv("NEOFORGE_CURSOR_SECRET")
    monkeypatch.setenv("NEOFORGE_CURSOR_SECRET_FILE", str(secret))
    settings = load(ServiceSettings)
    assert settings.cursor_secret == SecretStr("a-secret-from-a-file-of-enough-length")
    assert "a-secret" not in repr(settings)


def test_files_that_cannot_be_read_are_named_with_all_other_faults(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("CURSOR_SECRET", "DATABASE_URL", "LISTEN"):
        monkeypatch.delenv(f"NEOFORGE_{name}")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xfd")
    monkeypatch.setenv("NEOFORGE_CURSOR_SECRET_FILE", str(tmp_path / "missing"))
    monkeypatch.setenv("NEOFORGE_DATABASE_URL_FILE", str(tmp_path / "binary"))
    said = refusal(capsys)
    assert f"NEOFORGE_CURSOR_SECRET: the file {tmp_path / 'missing'} cannot be read: No such file or directory" in said
    assert f"NEOFORGE_DATABASE_URL: the file {tmp_path / 'binary'} cannot be read: it is not UTF-8" in said
    assert "NEOFORGE_LISTEN: Field required" in said


@pytest.mark.parametrize("environment", ["production", "moon"])
def test_production_and_what_might_be_it_refuse_plaintext_channels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], environment: str
) -> None:
    monkeypatch.setenv("NEOFORGE_ENVIRONMENT", environment)
    said = refusal(capsys)
    for name in ("TLS_CA", "TLS_CERTIFICATE", "TLS_KEY"):
        assert f"NEOFORGE_{name}: must be set in production" in said


@pytest.mark.parametrize("given", [["TLS_CA"], ["TLS_KEY"], ["TLS_CERTIFICATE", "TLS_KEY"]])
def test_a_part_of_tls_is_no_tls_and_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, given: list[str]
) -> None:
    identity = Authority(tmp_path).issue("projects")
    files = {"TLS_CA": identity.authority, "TLS_CERTIFICATE": identity.certificate, "TLS_KEY": identity.key}
    for name in given:
        monkeypatch.setenv(f"NEOFORGE_{name}", str(files[name]))
    assert "must be given together" in refusal(capsys)


def test_tls_files_are_read_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    identity = Authority(tmp_path).issue("projects")
    for name, file in (("CA", identity.authority), ("CERTIFICATE", identity.certificate), ("KEY", identity.key)):
        monkeypatch.setenv(f"NEOFORGE_TLS_{name}", str(file))
    tls = load(ServiceSettings).tls
    assert tls is not None
    identity.key.write_text("a renewed key")
    assert tls.ca == identity.authority.read_bytes()
    assert tls.chain == (b"a renewed key", identity.certificate.read_bytes())


def test_what_is_no_certificate_or_belongs_to_another_key_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one, other = (Authority(tmp_path / name).issue("projects") for name in ("one", "other"))
    monkeypatch.setenv("NEOFORGE_TLS_CA", str(one.key))
    monkeypatch.setenv("NEOFORGE_TLS_CERTIFICATE", str(one.certificate))
    monkeypatch.setenv("NEOFORGE_TLS_KEY", str(other.key))
    said = refusal(capsys)
    assert "NEOFORGE_TLS_CA: must be a file with a certificate in PEM" in said
    assert "NEOFORGE_TLS_KEY: must be the key, in PEM and without a password, of TLS_CERTIFICATE" in said


def test_a_worker_is_refused_without_redis_together_with_what_else_is_bad(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NEOFORGE_CURSOR_SECRET")
    said = refusal(capsys, for_worker(ServiceSettings))
    assert "NEOFORGE_REDIS_URL: " in said
    assert "NEOFORGE_CURSOR_SECRET: " in said


def test_a_fault_of_no_single_setting_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    class Whole(ServiceSettings):
        @model_validator(mode="after")
        def _never(self) -> Self:
            raise ValueError("does not fit together")

    assert "NEOFORGE_*: does not fit together" in refusal(capsys, Whole)


def test_migrations_want_the_owners_url_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEOFORGE_DATABASE_URL")
    monkeypatch.setenv("NEOFORGE_MIGRATION_DATABASE_URL", "postgresql://owner:x@localhost/neoforge")
    assert load(MigrationSettings).log_level == "INFO"
