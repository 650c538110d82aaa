from pathlib import Path

import jinja2
import pytest
from jinja2.exceptions import SecurityError

from chassis.mail.templates import NoSuchMail, Templates, isolate

CONTEXT = {"name": "Ines", "about": "plans", "link": "https://example.test/#t"}


@pytest.fixture
def templates(service: object) -> Templates:
    return Templates("postbox")


def test_a_mail_has_subject_text_and_html_in_the_language_asked_for(templates: Templates) -> None:
    german = templates.render("greeting", "de", CONTEXT)
    assert (german.language, german.subject) == ("de", "Hallo Ines, es geht um plans")
    assert german.text.startswith("Hallo Ines,\n\n")
    assert "Über plans" in german.html
    assert '<html lang="de"' in german.html


@pytest.mark.parametrize(
    ("asked", "given"), [("de-AT", "de"), ("DE", "de"), ("fr", "en"), ("", "en"), ("x/../de", "en")]
)
def test_a_language_without_templates_falls_back_to_its_parent_and_then_to_english(
    templates: Templates, asked: str, given: str
) -> None:
    assert templates.render("greeting", asked, CONTEXT).language == given


def test_values_are_escaped_in_html_and_stay_as_they_are_in_text(templates: Templates) -> None:
    content = templates.render("greeting", "en", CONTEXT | {"about": '<script>alert("1 & 2")</script>'})
    assert "<script>" not in content.html
    assert "&lt;script&gt;alert(&#34;1 &amp; 2&#34;)" in content.html
    assert '<script>alert("1 & 2")</script>' in content.text


def test_a_value_is_never_a_template(templates: Templates) -> None:
    assert "{{ link }}" in templates.render("greeting", "en", CONTEXT | {"about": "{{ link }}"}).subject


def test_a_line_break_in_a_value_of_the_subject_does_not_end_it(templates: Templates) -> None:
    content = templates.render("greeting", "en", CONTEXT | {"about": "a\nInjected text"})
    assert content.subject.endswith("a\nInjected text")
    assert content.text.startswith("Hello Ines,\n\n")


def test_a_name_that_is_not_given_is_an_error(templates: Templates) -> None:
    with pytest.raises(jinja2.UndefinedError):
        templates.render("greeting", "en", {"name": "Ines", "link": ""})


def test_a_mail_that_does_not_exist_is_an_error(templates: Templates) -> None:
    with pytest.raises(NoSuchMail):
        templates.render("farewell", "en", CONTEXT)


def test_a_template_reaches_nothing_but_its_values(
    templates: Templates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "hostile" / "templates" / "mail"
    package.mkdir(parents=True)
    (tmp_path / "hostile" / "__init__.py").touch()
    (package / "bad.en.txt").write_text(
        "{% block subject %}{{ ''.__class__.__mro__ }}{% endblock %}{% block text %}{% endblock %}"
    )
    (package / "bad.en.html").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SecurityError):
        Templates("hostile").render("bad", "en", {})


def test_a_name_of_the_other_direction_does_not_turn_the_sentence_around_it(templates: Templates) -> None:
    content = templates.render("greeting", "en", CONTEXT | {"name": "أحمد"})
    assert content.subject == "Hello \u2068أحمد\u2069, about plans"
    assert "Hello <bdi>أحمد</bdi>" in content.html


def test_a_name_cannot_end_its_own_isolation() -> None:
    assert isolate("أ\u2069\u202eevil\u202c") == "\u2068أevil\u2069"
    assert isolate("Ines 🚀") == "Ines 🚀"
