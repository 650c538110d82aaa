import io
import os
import pty
import sys

import pytest

from devstack.terminal import Terminal


def test_a_log_file_gets_plain_lines_with_the_time_of_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal().step("PostgreSQL"):
        pass
    assert capsys.readouterr().out.split() == ["PostgreSQL", "0.0", "s"]


def test_a_terminal_gets_a_mark_for_each_step_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as output, os.fdopen(controller, "rb", buffering=0) as screen:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stdout", output)
        with Terminal().step("PostgreSQL"):
            pass
        Terminal().say("done")
        output.flush()
        shown = b""
        while b"done" not in shown:
            shown += screen.read(4096)
    assert "✓ PostgreSQL" in shown.decode()


def test_a_step_that_fails_is_not_marked_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), Terminal().step("PostgreSQL"):
        raise ValueError("broken")
    assert capsys.readouterr().out == ""


def test_a_terminal_that_is_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", buffering=1) as output, pytest.MonkeyPatch.context() as patch:  # noqa: PTH123 - a descriptor
        patch.setattr(sys, "stdout", output)
        patch.setattr(sys, "stderr", output)
        Terminal().say("nobody reads this")
        Terminal().fail("nor this")
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)


def test_a_terminal_without_our_letters_shows_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii", write_through=True))
    Terminal().say("/home/zoë")
    assert shown.getvalue() == b"/home/zo?\n"
