import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.idempotency import fingerprint, idempotency_key
from gateway.problems import Problem

visible = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


def read(*values: bytes, required: bool = True) -> str | None:
    return idempotency_key([(b"idempotency-key", value) for value in values], required=required)


@given(st.text(visible, min_size=1, max_size=255).filter(lambda key: key == key.strip()))
def test_every_structured_string_is_read_back(key: str) -> None:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    assert read(f'"{escaped}"'.encode()) == key


@given(st.binary(max_size=40))
def test_any_bytes_are_a_key_or_a_problem(value: bytes) -> None:
    try:
        key = read(value)
    except Problem:
        return
    assert key
    assert key.isascii()


@pytest.mark.parametrize(
    "value",
    [b"k1", b"", b'""', b'"a', b'"a", "b"', b"17", b":YQ==:", b"?1", b'" a"', b'"' + b"k" * 256 + b'"', b'"\xc3\xa9"'],
)
def test_what_is_no_structured_string_is_malformed(value: bytes) -> None:
    with pytest.raises(Problem, match="double quotes"):
        read(value)


def test_two_header_lines_are_no_one_string() -> None:
    with pytest.raises(Problem, match="double quotes"):
        read(b'"k1"', b'"k1"')


def test_parameters_of_the_item_are_passed_over() -> None:
    assert read(b'"k1";a=1') == "k1"


def test_a_missing_key_is_a_problem_only_where_it_is_required() -> None:
    assert read(required=False) is None
    with pytest.raises(Problem) as refused:
        read(required=True)
    assert refused.value.type.name == "idempotency-key-missing"


def test_a_fingerprint_knows_the_json_value_and_not_its_spelling() -> None:
    one = fingerprint("POST", "/p", {}, {"a": 1, "b": ["é"]})
    assert one == fingerprint("POST", "/p", {}, {"b": ["\u00e9"], "a": 1})
    assert len(one) == 64


@pytest.mark.parametrize(
    "other",
    [
        ("PATCH", "/p", {}, {"a": 1}),
        ("POST", "/q", {}, {"a": 1}),
        ("POST", "/p", {"id": "1"}, {"a": 1}),
        ("POST", "/p", {}, {"a": 2}),
        ("POST", "/p", {}, {"a": "1"}),
        ("POST", "/p", {}, None),
    ],
)
def test_a_fingerprint_tells_requests_apart(other: tuple[str, str, dict[str, str], object]) -> None:
    assert fingerprint("POST", "/p", {}, {"a": 1}) != fingerprint(*other)
