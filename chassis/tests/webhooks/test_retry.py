from datetime import UTC, datetime, timedelta

import pytest

from chassis.webhooks.retry import DELAYS_S, LONGEST_WISH, next_attempt, rest

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_nine_attempts_are_made_over_about_a_day() -> None:
    now, waits = NOW, []
    for failed in range(1, 20):
        due = next_attempt(failed, now, chance=lambda: 0.5)
        if due is None:
            break
        waits.append((due - now).total_seconds())
        now = due
    assert waits == list(DELAYS_S)
    assert timedelta(hours=20) < now - NOW < timedelta(hours=26)


def test_steps_are_spread_by_a_fifth_either_way() -> None:
    soonest, latest = next_attempt(3, NOW, chance=lambda: 0.0), next_attempt(3, NOW, chance=lambda: 1.0)
    assert (soonest, latest) == (NOW + timedelta(seconds=96), NOW + timedelta(seconds=144))


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("Sun, 01 Mar 2026 12:05:00 GMT", 300),
        ("1", 5),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 5),
        ("-5", 5),
        ("soon", 5),
        ("", 5),
        ("1.5", 5),
        ("٣٠", 5),
    ],
)
def test_retry_after_is_honoured_when_it_is_later_than_the_step(wish: str, seconds: float) -> None:
    assert next_attempt(1, NOW, wish, chance=lambda: 0.5) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("wish", ["99999999999999999999", "9" * 5000, "Fri, 01 Jan 9999 00:00:00 GMT"])
def test_retry_after_is_capped(wish: str) -> None:
    assert next_attempt(1, NOW, wish) == NOW + LONGEST_WISH


@pytest.mark.parametrize(
    ("failures", "minutes", "seconds"),
    [(1, 600, 0), (4, 600, 0), (5, 0, 10), (5, 1, 10), (50, 10, 60), (50, 99, 594), (50, 6_000, 600)],
)
def test_an_endpoint_rests_for_a_tenth_of_the_time_for_which_it_has_failed(
    failures: int, minutes: float, seconds: float
) -> None:
    assert rest(failures, timedelta(minutes=minutes)) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "wish",
    [
        "Mon, 01 Jan 2030 00:00:00 +99999999999999999",
        "Mon, 01 Jan 2030 99999999999999999999:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "9" * 400,
        "\x00",
        "soon",
    ],
)
def test_no_wish_of_a_stranger_upsets_the_next_attempt(wish: str) -> None:
    found = next_attempt(1, NOW, wish)
    assert found is not None
    assert NOW < found <= NOW + LONGEST_WISH
