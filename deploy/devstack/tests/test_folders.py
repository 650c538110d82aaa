import os
import stat
from pathlib import Path

import pytest

from devstack.errors import StackError
from devstack.folders import CHECKOUT, Folders


def test_data_lie_in_the_checkout_unless_the_environment_says_otherwise() -> None:
    assert Folders.of({}).data == CHECKOUT / ".data"
    assert Folders.of({"NEOFORGE_DATA": "/some/folder"}).data == Path("/some/folder")
    assert (CHECKOUT / "Makefile").exists()


def test_secrets_are_made_once_and_are_for_their_owner_alone(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.make()
    secret = folders.secret("cursor-secret")
    assert len(secret) >= 32
    assert Folders(tmp_path).secret("cursor-secret") == secret
    assert stat.S_IMODE((folders.secrets / "cursor-secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(folders.secrets.stat().st_mode) == 0o700


def test_a_new_log_puts_the_ones_before_it_aside_and_keeps_three(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.make()
    for number in range(6):
        folders.new_log("Envoy").write_text(str(number))
    logs = {file.name: file.read_text() for file in folders.logs.iterdir()}
    assert logs == {"envoy.log": "5", "envoy.log.1": "4", "envoy.log.2": "3", "envoy.log.3": "2"}


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match=r"data folder .*/file/data cannot be used: .*NEOFORGE_DATA="):
        Folders(tmp_path / "file" / "data").make()


def test_a_folder_of_somebody_else_is_named_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: not str(path).endswith("logs"))
    with pytest.raises(StackError, match=r"logs belongs to .*Give it to this user"):
        Folders(tmp_path).make()


def test_one_stack_at_a_time_holds_the_folder_and_is_named(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.make()
    with folders.held(), pytest.raises(StackError, match=rf"already \(process {os.getpid()}\)"), folders.held():
        pass
    with folders.held():
        assert (folders.run / "lock").read_text().strip() == str(os.getpid())
