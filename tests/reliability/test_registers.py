from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.reliability.registers import Event, violations


def write(version: int, began: float, ended: float) -> Event:
    return Event("r", began, ended, version, f"v{version}", wrote=True)


def read(version: int, began: float, ended: float) -> Event:
    return Event("r", began, ended, version, f"v{version}", wrote=False)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """What a register would answer: each operation takes effect at a moment between its beginning and its end."""
    version, events = 1, []
    for moment in range(draw(st.integers(1, 20))):
        began = moment - draw(st.floats(0, 5))
        ended = moment + draw(st.floats(0.001, 5))
        if wrote := draw(st.booleans()):
            version += 1
        events.append(Event("r", began, ended, version, f"v{version}", wrote))
    return events


@given(histories())
def test_what_a_register_would_answer_is_explained(history: list[Event]) -> None:
    assert list(violations(history)) == []


@given(histories(), st.data())
def test_a_read_of_what_had_been_overwritten_before_it_began_is_found(
    history: list[Event], data: st.DataObject
) -> None:
    last = max(event.version for event in history)
    end = max(event.ended for event in history)
    history = [*history, write(last + 1, end + 1, end + 2)]
    old = data.draw(st.integers(1, last))
    assert any("stale" in said for said in violations([*history, read(old, end + 3, end + 4)]))
    assert list(violations([*history, read(last + 1, end + 3, end + 4)])) == []


def test_each_kind_of_lie_is_found() -> None:
    honest = [write(2, 0, 1), read(2, 2, 3), write(3, 4, 6), read(2, 4, 5), read(3, 5, 7)]
    assert list(violations(honest)) == []
    for lie, said in (
        (read(2, 8, 9), "stale"),
        (write(3, 8, 9), "two writes"),
        (replace(read(3, 8, 9), value="of somebody else"), "not written"),
        (read(3, 2, 3), "before anyone asked"),
        (write(4, 8, 9), ""),
    ):
        found = list(violations([*honest, lie]))
        assert any(said in each for each in found) if said else found == [], lie
    backwards = [read(5, 0, 1), read(4, 2, 3)]
    assert any("stale" in said for said in violations(backwards))
    assert any("seen before it was written" in said for said in violations([read(2, 0, 1), write(2, 2, 3)]))
