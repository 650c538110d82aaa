import string
from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import errors
from chassis.errors import DETAILS_KEY, DomainError, InvalidFields, Kind, RemoteError, Violation, is_named, to_status

METADATA_BYTES = 8 * 1024

kinds = st.sampled_from(list(Kind))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5_000)
violations = st.lists(st.builds(Violation, texts, texts), max_size=60)
pairs = st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=20), st.text(max_size=50), max_size=3)


def sent(error: DomainError) -> grpc.aio.AioRpcError:
    """The error as it arrives at a caller."""
    status = to_status(error)
    trailers = grpc.aio.Metadata((DETAILS_KEY, status.SerializeToString()))
    return grpc.aio.AioRpcError(
        error.kind.value, grpc.aio.Metadata(), trailers, details=status.message, debug_error_string=""
    )


def made(kind: Kind, message: str, broken: list[Violation], metadata: Mapping[str, str]) -> DomainError:
    cls: Any = type("Made", (DomainError,), {"kind": kind, "reason": "MADE"})
    error: DomainError = cls(message, violations=broken, metadata=metadata)
    return error


@given(kinds, texts, violations, pairs)
def test_an_error_crosses_with_its_kind_reason_and_metadata_and_fits_into_an_answer(
    kind: Kind, message: str, broken: list[Violation], metadata: dict[str, str]
) -> None:
    error = made(kind, message, broken, metadata)
    arrived = RemoteError.from_rpc(sent(error))
    assert (arrived.code, arrived.reason, arrived.metadata) == (kind.value, "MADE", metadata)
    assert message.startswith(arrived.message.removesuffix("…"))
    assert len(arrived.violations) <= len(broken)
    packed = to_status(error)
    escaped = len(packed.message.encode()) * 3  # percent-encoded, at worst
    assert len(packed.SerializeToString()) * 4 // 3 + escaped < METADATA_BYTES


short = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(st.lists(st.builds(Violation, short, short), max_size=5))
def test_the_violations_of_an_ordinary_request_all_cross(broken: list[Violation]) -> None:
    assert RemoteError.from_rpc(sent(made(Kind.INVALID, "", broken, {}))).violations == tuple(broken)


def test_the_message_names_the_fields() -> None:
    error = InvalidFields.of([Violation("name", "must not be blank"), Violation("labels[2]", "stands there twice")])
    assert error.message == "name: must not be blank; labels[2]: stands there twice"


def test_an_error_of_the_way_there_has_its_status_for_a_reason_and_is_nobodys_word() -> None:
    gone = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "no route", "")
    arrived = RemoteError.from_rpc(gone)
    assert (arrived.reason, arrived.message, arrived.violations) == ("UNAVAILABLE", "no route", ())
    assert not is_named(gone)


@pytest.mark.parametrize("junk", [b"\xff\xff\xff", b"\x08", "text"])
def test_details_that_are_not_ours_are_no_details(junk: Any) -> None:
    trailers = grpc.aio.Metadata((DETAILS_KEY, junk))
    odd = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), trailers, "odd", "")
    assert RemoteError.from_rpc(odd).reason == "INTERNAL"


def test_every_named_error_has_a_kind_with_a_status_of_its_own_and_a_reason_in_capitals() -> None:
    named = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, DomainError)]
    for cls in named:
        if cls is not DomainError:
            assert isinstance(cls.kind, Kind)
            assert cls.reason == cls.reason.upper()
    assert len({kind.value for kind in Kind}) == len(Kind)
