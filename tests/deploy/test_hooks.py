import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RANDOM = "hX7pQ2vN9sK4tW8yB3mZ6cR1"


def scan(file: str, *lines: str) -> subprocess.CompletedProcess[str]:
    patch = f"--- a/{file}\n+++ b/{file}\n@@ -0,0 +41,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines)
    program = [sys.executable, ROOT / ".githooks" / "secrets.py"]
    return subprocess.run(program, input=patch, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN EC PRIVATE KEY-----",
        f'password = "{RANDOM}"',
        f"NEOFORGE_AUTH_SECRET: '{RANDOM}'",
        "key: AKIA" + "IOSFODNN7EXAMPLE",
        f"postgresql://projects:{RANDOM}@db/neoforge",
        "token: ghp_" + "a1B2" * 9,
    ],
)
def test_a_secret_is_named_by_its_place_and_never_repeated(line: str) -> None:
    found = scan("services/projects/src/projects/settings.py", "harmless", line)
    assert found.returncode == 1
    assert "settings.py:42 holds" in found.stderr
    assert RANDOM not in found.stderr


@pytest.mark.parametrize(
    "file", ["tests/e2e/test_projects.py", "services/auth/tests/specimen.py", "docs/configuration.md", "README.md"]
)
def test_examples_in_tests_and_documentation_are_no_secrets(file: str) -> None:
    assert scan(file, f'password = "{RANDOM}"').returncode == 0


@pytest.mark.parametrize(
    "line",
    [
        "cursor_secret: Secret",
        'NEOFORGE_DATABASE_URL_FILE: "/run/secrets/database-url"',
        "postgresql://projects:${PASSWORD}@postgres/neoforge",
        'secret_name = "neoforge-projects-owner"',
        f'checksum_secret = "{RANDOM}"  # not a secret: the digest of the example',
    ],
)
def test_names_of_secrets_and_what_is_said_to_be_none_pass(line: str) -> None:
    assert scan("compose.yaml", line).returncode == 0, scan("compose.yaml", line).stderr


def test_lines_that_go_away_are_not_looked_at() -> None:
    patch = f'+++ b/settings.py\n@@ -3 +3 @@\n-password = "{RANDOM}"\n+password = None\n'
    program = [sys.executable, ROOT / ".githooks" / "secrets.py"]
    assert subprocess.run(program, input=patch, capture_output=True, text=True, check=False).returncode == 0


def test_the_hook_stops_a_commit_with_a_secret(tmp_path: Path) -> None:
    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        identity = ("-c", "user.name=Ines", "-c", "user.email=ines@example.test")
        return subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    git("init", "--quiet")
    (tmp_path / ".githooks").symlink_to(ROOT / ".githooks")
    git("config", "core.hooksPath", ".githooks")
    (tmp_path / "settings.py").write_text("password = None\n")
    git("add", "settings.py")
    assert git("commit", "--message", "No secret").returncode == 0
    (tmp_path / "settings.py").write_text(f'password = "{RANDOM}"\n')
    refused = git("commit", "--all", "--message", "A secret")
    assert refused.returncode == 1
    assert "settings.py:1 holds" in refused.stderr
