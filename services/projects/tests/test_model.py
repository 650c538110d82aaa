import string
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import InvalidFields
from chassis.text import check_text
from projects.model import MAX_LABELS, MAX_NAME, MAX_SLUG, Filter, Project, Role, Status, Visibility, slug_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)

names = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Zl", "Zp"]), min_size=1, max_size=MAX_NAME).filter(
    lambda name: not check_text("name", name, MAX_NAME, least=1)  # a few letters that are blank: see there
)
slugs = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
labels = st.lists(names.map(lambda n: n[:50]).filter(str.strip), max_size=MAX_LABELS, unique=True).map(tuple)


def made(**fields: Any) -> Project:
    given_ = {"slug": "", "name": "Apollo", "description": "", "visibility": Visibility.PRIVATE, "labels": ()} | fields
    return Project.new(id=UUID(int=1), owner_id=UUID(int=2), now=NOW, **given_)


@given(st.text(max_size=MAX_NAME))
@settings(deadline=None)
def test_the_slug_of_any_name_obeys_the_rules_of_slugs(name: str) -> None:
    slug = slug_of(name)
    assert 1 <= len(slug) <= MAX_SLUG
    assert set(slug) <= set(string.ascii_lowercase + string.digits + "-")
    assert slug.strip("-") == slug
    assert slug_of(slug) == slug


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Apollo", "apollo"), ("Überflieger & Söhne", "uberflieger-sohne"), ("مشروع", "project"), ("a" * 99, "a" * 63)],
)
def test_a_slug_is_made_of_letters_without_accents(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@given(names, slugs, labels)
@settings(deadline=None)
def test_whatever_obeys_the_rules_makes_a_project(name: str, slug: str, chosen: tuple[str, ...]) -> None:
    project = made(name=name, slug=slug, labels=chosen)
    assert (project.name, project.slug, project.labels, project.version) == (name, slug, chosen, 1)
    assert project.status is Status.ACTIVE


@given(names, labels)
@settings(deadline=None)
def test_the_version_moves_if_and_only_if_something_differs(name: str, chosen: tuple[str, ...]) -> None:
    before = made(labels=("a",))
    after = before.changed({"name": name, "labels": chosen}, LATER)
    if (name, chosen) == (before.name, before.labels):
        assert after is before
    else:
        assert (after.version, after.updated_at, after.created_at) == (2, LATER, NOW)
    assert after.changed({"name": name, "labels": chosen}, LATER) is after


@pytest.mark.parametrize(
    ("fields", "broken"),
    [
        ({"name": ""}, ["name"]),
        ({"name": " "}, ["name"]),
        ({"name": "a" * 201}, ["name"]),
        ({"name": "a\nb"}, ["name"]),
        ({"name": "a\0b"}, ["name"]),
        ({"description": "a" * 10_001}, ["description"]),
        ({"description": "a\0"}, ["description"]),
        ({"slug": "-a"}, ["slug"]),
        ({"slug": "A"}, ["slug"]),
        ({"slug": "a" * 64}, ["slug"]),
        ({"slug": "a\n"}, ["slug"]),
        ({"labels": ("a", "b", "a")}, ["labels[2]"]),
        ({"labels": ("",)}, ["labels[0]"]),
        ({"labels": ("a" * 51,)}, ["labels[0]"]),
        ({"labels": tuple(map(str, range(21)))}, ["labels"]),
        ({"name": "", "description": "\0", "slug": "-"}, ["name", "description", "slug"]),
    ],
)
def test_every_field_that_breaks_its_rule_is_named(fields: dict[str, Any], broken: list[str]) -> None:
    with pytest.raises(InvalidFields) as refused:
        made(**fields)
    assert [violation.field for violation in refused.value.violations] == broken


def test_a_description_has_lines_and_any_script() -> None:
    text = "Zeile 1\r\n\t版本 עברית 🚀\n"
    assert made(description=text).description == text


def test_a_filter_obeys_rules_too() -> None:
    Filter(labels=("a",), text="moon").check()
    with pytest.raises(InvalidFields) as refused:
        Filter(labels=("", "b" * 51), text="x" * 201).check()
    assert [violation.field for violation in refused.value.violations] == ["text", "labels[0]", "labels[1]"]


def test_only_a_viewer_may_not_change() -> None:
    assert [role for role in Role if not role.may_change] == [Role.VIEWER]
