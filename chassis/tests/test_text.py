import pytest

from chassis.text import check_text


@pytest.mark.parametrize("value", ["a", "é" * 10, "🚀" * 10, "a b", "שלום", "a\u200db"])
def test_text_within_its_bounds_is_right(value: str) -> None:
    assert check_text("name", value, 10, least=1) == []


@pytest.mark.parametrize("value", ["", " \u3000", "a" * 11, "a\tb", "a\nb", "\0", "\x7f", "\x9f", "\ud800"])
def test_text_beyond_them_names_its_field(value: str) -> None:
    assert [violation.field for violation in check_text("name", value, 10, least=1)] == ["name"]


def test_lines_are_let_through_where_they_are_meant_and_nothing_is_needed_where_it_is_not() -> None:
    assert check_text("text", "a\r\n\tb", 10, lines=True) == []
    assert check_text("text", "a\x0bb", 10, lines=True) != []
    assert check_text("text", "", 10) == []
