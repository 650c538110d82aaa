import signal
import subprocess
import sys

from chassis.embedded import launch


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


def test_the_program_takes_the_launchers_place_with_its_arguments_untouched() -> None:
    odd = ["--user=1", "--", "a b", "", "$HOME", "ü"]
    shown = run(launch.command([sys.executable, "-c", "import sys; print(sys.argv[1:])", *odd]))
    assert shown.stdout == f"{odd}\n"


def test_a_program_that_cannot_be_started_is_one_line() -> None:
    failed = run(launch.command(["/no/such/program"]))
    assert (failed.returncode, failed.stderr) == (1, "/no/such/program cannot be started: No such file or directory\n")


def test_nothing_is_started_for_a_parent_that_is_gone() -> None:
    arguments = launch.command(["/bin/echo", "started"])
    orphaned = [("--parent=1" if word.startswith("--parent=") else word) for word in arguments]
    assert (run(orphaned).returncode, run(orphaned).stdout) == (1, "")


def test_a_program_hears_the_signals_that_its_parent_had_blocked() -> None:
    shown = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        assert run(launch.command([sys.executable, "-c", shown])).stdout == "set()\n"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_the_death_signal_is_the_one_asked_for() -> None:
    get = "import ctypes; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n)); print(n.value)"
    shown = run(launch.command([sys.executable, "-c", get], death_signal=signal.SIGINT))
    assert shown.stdout == f"{int(signal.SIGINT)}\n"
