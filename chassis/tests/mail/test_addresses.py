import pytest

from chassis.errors import InvalidFields
from chassis.mail.addresses import Address, InvalidAddress, Mailbox


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("ines@example.test", "ines@example.test"),
        ("ines+projects@example.test", "ines+projects@example.test"),
        ("o'brien/qa=x@example.test", "o'brien/qa=x@example.test"),
        ('"in es"@example.test', '"in es"@example.test'),
        ('"a@b,c"@example.test', '"a@b,c"@example.test'),
        ("müller@example.test", "müller@example.test"),
        ("mu\u0308ller@example.test", "müller@example.test"),
        ("ines@bücher.example", "ines@xn--bcher-kva.example"),
        ("ines@XN--BCHER-KVA.example", "ines@xn--bcher-kva.example"),
        ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
        ("أحمد@مثال.إختبار", "أحمد@xn--mgbh0fb.xn--kgbechtv"),
    ],
)
def test_an_address_is_read_with_its_domain_in_ascii(text: str, written: str) -> None:
    assert str(Address.parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ines",
        "ines@",
        "@example.test",
        "ines@example",
        "ines@localhost",
        "ines@example..test",
        "ines@exa mple.test",
        "ines@example.test\r\nBcc: mara@example.test",
        "ines@example.test\0",
        "ines@example.test, mara@example.test",
        "Ines <ines@example.test>",
        "<ines@example.test>",
        "in es@example.test",
        '"in\r\nes"@example.test',
        "ines@[127.0.0.1]",
        "a" * 65 + "@example.test",
        "ines@" + ".".join(["a" * 60] * 5) + ".test",
        "\ud800@example.test",
    ],
)
def test_what_is_no_single_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        Address.parse(text)


def test_addresses_of_one_mailbox_have_one_key_however_they_are_written() -> None:
    same = [Address.parse(text) for text in ("Ines@BÜCHER.example", "ines@xn--bcher-kva.example")]
    assert len({address.key for address in same}) == len({address.digest for address in same}) == 1
    assert Address.parse("ines+a@bücher.example").key != same[0].key


@pytest.mark.parametrize(("one", "other"), [("strasse", "straße"), ("tomas", "toma\u017f"), ("office", "o\ufb03ce")])
def test_addresses_that_only_unicode_folding_makes_equal_are_different_peoples(one: str, other: str) -> None:
    assert Address.parse(f"{one}@example.test").key != Address.parse(f"{other}@example.test").key


def test_an_address_reads_as_people_write_it() -> None:
    assert Address.parse("ines@xn--bcher-kva.example").readable == "ines@bücher.example"
    assert Address.parse("ines@example.test").readable == "ines@example.test"


def test_only_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    assert Address.parse("müller@example.test").needs_smtputf8
    assert not Address.parse("ines@bücher.example").needs_smtputf8


def test_a_bad_mailbox_names_every_field_that_is_wrong() -> None:
    with pytest.raises(InvalidFields) as refused:
        Mailbox.of("Ines\r\nBcc: mara@example.test", "ines", field="address", name_field="name")
    assert [violation.field for violation in refused.value.violations] == ["name", "address"]


def test_the_refusal_of_an_address_does_not_repeat_it() -> None:
    with pytest.raises(InvalidAddress) as refused:
        Address.parse("ines-the-secret..x@example.test")
    assert "secret" not in str(refused.value)
