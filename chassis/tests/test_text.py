import pytest

from chassis.text import check_text


@pytest.mark.parametrize("value", ["a", "é" * 10, "🚀" * 10, "a b", "שלום", "日本"])
def test_text_within_its_bounds_is_right(value: str) -> None:
    assert check_text("name", value, 10, least=1) == []


@pytest.mark.parametrize("value", ["", " \u3000", "a" * 11, "a\tb", "a\nb", "\0", "\x7f", "\x9f", "\ud800"])
def test_text_beyond_them_names_its_field(value: str) -> None:
    assert [violation.field for violation in check_text("name", value, 10, least=1)] == ["name"]


def test_lines_are_let_through_where_they_are_meant_and_nothing_is_needed_where_it_is_not() -> None:
    assert check_text("text", "a\r\n\tb", 10, lines=True) == []
    assert check_text("text", "a\x0bb", 10, lines=True) != []
    assert check_text("text", "", 10) == []


@pytest.mark.parametrize(
    "value",
    [
        "👩‍⚕️",
        "👨‍👩‍👧‍👦",
        "👩🏽‍🚀",
        "🏳️‍🌈",
        "🙂‍↔️",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # the flag of England
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian
        "क्\u200dष",
        "مرحبا",
        "Atlas שלום\u200f!",
        "葛\U000e0100城",
    ],
)
def test_letters_of_every_script_and_emoji_with_what_joins_them_stand_in_a_line(value: str) -> None:
    assert check_text("name", value, 100, least=1) == []


@pytest.mark.parametrize(
    "hidden",
    [
        *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200c\u200d\u200e\u200f\ufeff\u2060\u2028",
        "\u3164",
        "\U000e0041",
    ],
)
@pytest.mark.parametrize("around", [("Invoice ", "fdp.exe"), ("Ines", ""), ("👩", ""), ("", "👩"), ("\U0001fffe", "x")])
def test_what_turns_a_line_around_or_hides_in_it_is_refused_by_its_number(hidden: str, around: tuple[str, str]) -> None:
    (violation,) = check_text("name", hidden.join(around), 100, least=1)
    assert violation.field == "name"
    assert f"U+{ord(hidden):04X}" in violation.description


def test_a_text_of_several_lines_may_be_written_in_both_directions() -> None:
    assert check_text("body", "to \u2067\u05e9\u05dc\u05d5\u05dd\u2069 at last\n", 100, least=1, lines=True) == []
