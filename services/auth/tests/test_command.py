"""What operators do to accounts from the command line, and what they are told of accounts that are there."""

from auth.settings import Settings
from auth.testing import PASSWORD, People, command, refused
from chassis.testing.client import Client

PERSON, OTHER = "ines@example.test", "mara@example.test"
ANOTHER = "another horse battery staple"


def entries(settings: Settings) -> str:
    """Give how many entries the audit trail has, as the command says it."""
    return command(settings, "verify-audit").stdout.partition(" ")[0]


def test_the_help_lists_every_verb(settings: Settings) -> None:
    said = command(settings, "--help").stdout
    for verb in ("serve", "worker", "jobs", "migrate", "sql", "bootstrap-admin", "add-account"):
        assert verb in said
    for verb in ("remove-second-factor", "rotate-signing-key", "verify-audit"):
        assert verb in said


async def test_an_account_that_is_there_is_left_alone_and_the_operator_told(
    settings: Settings, people: People, call: Client
) -> None:
    made = command(settings, "add-account", PERSON, "--role", "agent", told=f"{PASSWORD}\n")
    assert "is agent, user." in made.stdout, made.stderr
    assert entries(settings) == "1"
    # What was asked for is there: who repeats the command is not told of a failure.
    again = command(settings, "add-account", PERSON, "--role", "agent", told=f"{PASSWORD}\n")
    assert (again.returncode, "was there before" in again.stdout) == (0, True), again.stderr
    for words, password in (
        (["--role", "agent"], ANOTHER),
        (["--role", "admin"], PASSWORD),
        ([], PASSWORD),
        (["--role", "agent", "--id", "018f0000-0000-7000-8000-000000000001"], PASSWORD),
    ):
        taken = command(settings, "add-account", PERSON, *words, told=f"{password}\n")
        assert (taken.returncode, taken.stdout) == (1, "")
        assert "has an account already; nothing of it was changed" in taken.stderr
    assert entries(settings) == "1"
    assert (await people.signed_in(PERSON)).caller.roles == {"user", "agent"}
    await refused(people.signed_in(PERSON, ANOTHER), "INVALID_CREDENTIALS")


async def test_the_first_administrator_is_made_once_and_another_by_force_alone(
    settings: Settings, people: People, call: Client
) -> None:
    await people.registered(OTHER)
    made = command(settings, "bootstrap-admin", PERSON, told=f"{PASSWORD}\n")
    assert "is admin, user." in made.stdout, made.stderr
    before = entries(settings)
    for email in (PERSON, OTHER, "tomas@example.test"):
        refusal = command(settings, "bootstrap-admin", email, told=f"{ANOTHER}\n")
        assert (refusal.returncode, refusal.stdout) == (1, "")
        assert f"There is an administrator already, who can give others that role: {PERSON}." in refusal.stderr
    twice = command(settings, "bootstrap-admin", "--force", PERSON, told=f"{ANOTHER}\n")
    assert (twice.returncode, twice.stdout) == (1, "")
    assert entries(settings) == before
    forced = command(settings, "bootstrap-admin", "--force", OTHER, told=f"{ANOTHER}\n")
    assert "The account was there before, and its password stays." in forced.stdout, forced.stderr
    assert (await people.signed_in(OTHER)).caller.roles == {"user", "admin"}
