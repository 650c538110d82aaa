from uuid import uuid4

import pytest

from chassis.webhooks.sealing import Seal, Unreadable

OLD = "old-key-0123456789abcdef-0123456789"
NEW = "new-key-0123456789abcdef-0123456789"


def test_a_sealed_secret_can_be_opened_and_does_not_show_what_it_holds() -> None:
    owner = uuid4()
    sealed = Seal([NEW]).seal("whsec_abc", owner)
    assert b"whsec" not in sealed
    assert Seal([NEW]).open(sealed, owner) == "whsec_abc"


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    owner = uuid4()
    assert Seal([NEW]).seal("whsec_abc", owner) != Seal([NEW]).seal("whsec_abc", owner)


def test_a_sealed_secret_moved_to_another_row_cannot_be_opened() -> None:
    with pytest.raises(Unreadable):
        Seal([NEW]).open(Seal([NEW]).seal("whsec_abc", uuid4()), uuid4())


def test_a_sealed_secret_that_was_changed_cannot_be_opened() -> None:
    owner = uuid4()
    sealed = bytearray(Seal([NEW]).seal("whsec_abc", owner))
    sealed[-1] ^= 1
    with pytest.raises(Unreadable):
        Seal([NEW]).open(bytes(sealed), owner)


def test_while_a_key_is_changed_the_old_one_still_opens_and_the_new_one_seals() -> None:
    owner = uuid4()
    both = Seal([NEW, OLD])
    assert both.open(Seal([OLD]).seal("whsec_abc", owner), owner) == "whsec_abc"
    assert Seal([NEW]).open(both.seal("whsec_abc", owner), owner) == "whsec_abc"
    with pytest.raises(Unreadable):
        Seal([OLD]).open(both.seal("whsec_abc", owner), owner)
