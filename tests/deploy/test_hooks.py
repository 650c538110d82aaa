import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Git = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, str(ROOT / ".githooks" / "secrets.py")]
RANDOM = "hX7pQ2vN9sK4tW8yB3mZ6cR1"
HEX = "9f8c2b7e4d1a6035" * 4


def scan(file: str, *lines: str) -> subprocess.CompletedProcess[str]:
    patch = f"--- a/{file}\n+++ b/{file}\n@@ -0,0 +41,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines)
    return subprocess.run(PROGRAM, input=patch, capture_output=True, text=True, check=False)


def secret(*parts: str) -> str:
    """Put together here, for none of this file's lines to hold it: other scanners look into tests too."""
    return "".join(parts)


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN EC PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----",
        f'password = "{RANDOM}"',
        f"NEOFORGE_AUTH_SECRET: '{RANDOM}'",
        f"NEOFORGE_AUTH_SECRET={HEX}",
        f"  auth_secret: {HEX}",
        f"  - auth-secret: {HEX} # of production",
        f'signing_key="{RANDOM}"',
        f'KEY="{HEX}"',
        f"const apiKey = `{RANDOM}`",
        f'{{"user": "postgres", "token": "{RANDOM}"}}',
        'password = "c0rrect!horse#battery$"',
        'password = "correcthorsebattery"',
        "DB_PASSWORD=c0rrect!horse#battery$",
        "key: AKIA" + "IOSFODNN7EXAMPLE",
        f"postgresql://projects:{RANDOM}@db/neoforge",
        "postgresql://projects:p%2Fss!wo$rd@db/neoforge",
        "token: ghp_" + "a1B2" * 9,
        secret("of = sk_", "live_", RANDOM),
        secret("of = sk-", "proj-", RANDOM),
        secret("of = AI", "za", RANDOM, "8aB1cD2eF"),
        secret("of = gl", "pat-", RANDOM),
        secret("of = py", "pi-AgEIcHlwaS5vcmc", RANDOM),
        secret("of = dop", "_v1_", HEX),
        secret("of = hf", "_", "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"),
        secret("of: hv", "s.", RANDOM),
        secret("of = gl", "sa_", RANDOM, "_9f8c2b7e"),
        secret("of = shp", "at_", HEX[:32]),
        secret("of = dckr", "_pat_", RANDOM),
        secret("of = 865635515:", "AA", RANDOM, "8aB1cD2eF"),
        secret("https://discord.com", "/api/webhooks/462889751402614014/", RANDOM * 2),
        f"Authorization: Bearer {RANDOM}",
        f'headers = {{"Authorization": "Basic {RANDOM}=="}}',
        f"curl -u admin:{RANDOM} https://example.com",
        f"machine example.com login ines password {RANDOM}",
        f'{{"auth": "{RANDOM}"}}',
        f'db_pass = "{RANDOM}"',
        f"CI_PAT={RANDOM}",
        "POSTGRES_PASSWORD: Sup3rSecret2024",
    ],
)
def test_a_secret_is_named_by_its_place_and_never_repeated(line: str) -> None:
    found = scan("services/projects/src/projects/settings.py", "harmless", line)
    assert found.returncode == 1
    assert "settings.py:42 holds" in found.stderr
    assert RANDOM not in found.stderr
    assert HEX not in found.stderr


@pytest.mark.parametrize("file", ["tests/e2e/test_projects.py", "services/auth/tests/specimen.py", "docs/jobs.md"])
def test_examples_in_tests_and_documentation_are_no_secrets(file: str) -> None:
    assert scan(file, f'password = "{RANDOM}"').returncode == 0


@pytest.mark.parametrize(
    "file",
    [
        "deploy/helm/neoforge/templates/tests.yaml",
        "deploy/helm/neoforge/charts/service/templates/workloads.yaml",
        "chassis/src/chassis/testing/plugin.py",
        "services/auth/src/auth/test_keys.py",
        "docs.py",
        "README.md",
        "protos/gen/neoforge/auth.py",
        ".env",
    ],
)
def test_everything_else_is_looked_at(file: str) -> None:
    assert scan(file, "-----BEGIN PRIVATE KEY-----").returncode == 1


@pytest.mark.parametrize(
    "line",
    [
        "cursor_secret: Secret",
        "Authorization: Bearer $NEOFORGE_TOKEN",
        'headers = {"Authorization": f"Bearer {token}"}',
        "curl --user admin:$PASSWORD https://example.com",
        "password: NewPassword",
        "author: Ines <ines@example.test>",
        "auth = auth_pb2_grpc.AuthServiceStub(channel)",
        'NEOFORGE_DATABASE_URL_FILE: "/run/secrets/database-url"',
        "postgresql://projects:${PASSWORD}@postgres/neoforge",
        "PASSWORD=$(</run/secrets/postgres-password)",
        'secret_name = "neoforge-projects-owner"',
        "secretKeyRef: { name: neoforge-projects, key: migration-database-url }",
        "token = secrets.token_urlsafe(32)",
        "password: {{ .Values.postgresql.password | quote }}",
        f"--hash=sha256:{HEX}",
        f'checksum_secret = "{RANDOM}"  # not a secret: the digest of the example',
    ],
)
def test_names_of_secrets_and_what_is_said_to_be_none_pass(line: str) -> None:
    assert scan("compose.yaml", line).returncode == 0, scan("compose.yaml", line).stderr


def test_a_line_that_looks_like_the_head_of_a_file_is_a_line() -> None:
    found = scan("settings.py", "++ b/tests/e2e/test_projects.py", "@@ -1 +1 @@", "-----BEGIN PRIVATE KEY-----")
    assert found.stderr == "settings.py:43 holds a private key.\n"


def test_there_is_none_in_the_present_tree(tmp_path: Path) -> None:
    everything = tmp_path / "everything.patch"
    empty = subprocess.check_output(["git", "hash-object", "-t", "tree", "/dev/null"], cwd=ROOT, text=True).strip()
    with everything.open("wb") as patch:
        subprocess.run(
            ["git", "diff", "--text", "--unified=0", "--no-color", empty], cwd=ROOT, check=True, stdout=patch
        )
    with everything.open("rb") as patch:
        found = subprocess.run(
            PROGRAM,
            stdin=patch,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (found.returncode, found.stderr) == (0, "")


def test_lines_that_go_away_are_not_looked_at() -> None:
    patch = f'+++ b/settings.py\n@@ -3 +3 @@\n-password = "{RANDOM}"\n+password = None\n'
    assert subprocess.run(PROGRAM, input=patch, capture_output=True, text=True, check=False).returncode == 0


@pytest.fixture
def git(tmp_path: Path) -> Git:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        identity = ("-c", "user.name=Ines", "-c", "user.email=ines@example.test")
        return subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    run("init", "--quiet", "--initial-branch=main")
    (tmp_path / ".githooks").symlink_to(ROOT / ".githooks")
    (tmp_path / "settings.py").write_text("password = None\n")
    run("add", "settings.py")
    run("commit", "--message", "No secret")
    return run


def test_the_hook_stops_a_commit_with_a_secret(git: Git, tmp_path: Path) -> None:
    git("config", "core.hooksPath", ".githooks")
    assert git("commit", "--allow-empty", "--message", "Nothing").returncode == 0
    (tmp_path / "settings.py").write_text(f'password = "{RANDOM}"\n')
    refused = git("commit", "--all", "--message", "A secret")
    assert refused.returncode == 1
    assert "settings.py:1 holds" in refused.stderr


def history(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [*PROGRAM, *arguments]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)


def test_a_secret_that_comes_with_a_merge_is_found(git: Git, tmp_path: Path) -> None:
    git("checkout", "--quiet", "-b", "topic")
    git("commit", "--allow-empty", "--message", "On the branch")
    git("checkout", "--quiet", "main")
    git("commit", "--allow-empty", "--message", "Beside it")
    git("merge", "--no-commit", "--no-ff", "topic")
    (tmp_path / "merged.py").write_text(f'password = "{RANDOM}"\n')
    git("add", "merged.py")
    assert git("commit", "--message", "A merge that brings more than was merged").returncode == 0
    found = history(tmp_path, "HEAD~1..HEAD")
    assert (found.returncode, found.stderr.count("merged.py:1 holds")) == (1, 1)


def test_a_secret_that_was_taken_away_again_is_found_whatever_git_is_told(git: Git, tmp_path: Path) -> None:
    begun = git("rev-parse", "HEAD").stdout.strip()
    (tmp_path / ".gitattributes").write_text("*.py binary\n")
    (tmp_path / "settings.py").write_text(f'password = "{RANDOM}"\n')
    git("add", ".gitattributes", "settings.py")
    git("commit", "--message", "+++ b/tests/x")
    git("rm", "--quiet", "settings.py")
    git("commit", "--message", "Away")
    for name, value in (("diff.mnemonicPrefix", "true"), ("diff.noprefix", "true"), ("format.pretty", "%B")):
        git("config", name, value)
    found = history(tmp_path, f"{begun}..HEAD")
    assert found.returncode == 1
    assert "settings.py:1 holds" in found.stderr


def test_a_history_that_cannot_be_read_is_no_history_without_secrets(git: Git, tmp_path: Path) -> None:
    assert git("status").returncode == 0
    assert history(tmp_path, "nowhere..HEAD").returncode == 2


def test_pushes_and_pull_requests_are_looked_at_commit_by_commit() -> None:
    for file in (".githooks/pre-push", ".github/workflows/backend.yml"):
        text = (ROOT / file).read_text()
        assert "python3 .githooks/secrets.py" in text
        assert "git log" not in text  # the program asks for the patch itself, so that merges are in it
