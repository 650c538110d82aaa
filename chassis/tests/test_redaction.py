"""The log filter against whoever wants a secret in a log: every way in which one could get there."""

import base64
import html
import json
import logging
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chassis import logs, redaction
from chassis.known_secrets import KnownSecrets
from chassis.redaction import redact

FORMATTER = logs.JsonFormatter("test")
MARK = "s3cr3t"
"""In every secret, so that not even a part of one with it gets through unseen."""

printable = st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"))
anything = st.text(printable, max_size=12).flatmap(
    lambda a: st.text(printable, max_size=12).map(lambda b: a + MARK + b)
)
"""Passwords as people make them."""
urlsafe = st.text(
    st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), min_size=8, max_size=40
)
token = st.one_of(
    urlsafe.map(lambda text: f"nfr_{MARK}{text}"),
    urlsafe.map(lambda text: f"nft_{MARK}{text}"),
    urlsafe.map(lambda text: f"whsec_{MARK}{text}="),
    st.tuples(urlsafe, urlsafe).map(lambda parts: f"eyJ{parts[0]}.{MARK}{parts[1]}.{MARK}{parts[0]}"),
)
"""Tokens that say by their form what they are, wherever they stand."""
names = st.sampled_from(
    [
        *("password", "new_password", "Passwort-password", "PASSWORD", "refresh_token", "refreshToken", "access-token"),
        *("Authorization", "proxy-authorization", "Cookie", "Set-Cookie", "client_secret", "X-Api-Key", "apikey"),
        *("NEOFORGE_AUTH_SECRET", "private_key", "credentials", "totp", "database_url", "csrf_token", "passphrase"),
        *("passcode", "otp", "pw", "db_pw", "code_verifier", "recovery-code", "authorization_code"),
    ]
)
unsure = st.sampled_from(["code", "Code", "session", "session_id", "JSESSIONID", "sid"])
"""What other things are called as well: their secrets are made by machines."""
named = st.one_of(st.tuples(names, anything), st.tuples(unsure, urlsafe.map(lambda text: MARK + text)))
begun = st.sampled_from(
    [
        *(
            'token="',
            "{'password': '",
            '{\\"token\\": \\"',
            "password=",
            "pw=a\nx ",
            '{"token":"a"} ',
            "?code=OK&",
            "secret: |\n",
        ),
        *(
            "'",
            '"',
            "\\",
            "&quot;",
            "%22",
            "%2522",
            "%",
            "&",
            "\\u0022",
            "\n",
            "\r\n--",
            "<a name='",
            "PASSWORD ''",
            '"""',
        ),
        *("Bearer ", "https://a:b@", "-----BEGIN PRIVATE KEY-----", "input_value=", 'name="otp"\r\n\r\n', "--token"),
    ]
)
"""What could make the rest of a text look like something else: half of a quotation, of an encoding, of a secret."""
anywhere = st.lists(st.one_of(begun, st.text(max_size=6)), max_size=4).map("".join)
plain = st.text(st.sampled_from("abc xyz0-"), max_size=12)


def once_escaped(text: str) -> str:
    return json.dumps(json.dumps(text))


ways: dict[str, Callable[[str, str], str]] = {
    "json": lambda name, secret: json.dumps({"a": 1, name: secret, "z": "end"}),
    "json with others' letters": lambda name, secret: json.dumps({name: secret}, ensure_ascii=False),
    "json in json": lambda name, secret: json.dumps({"body": json.dumps({name: secret, "b": 2})}),
    "json in json in json": lambda name, secret: json.dumps({"c": json.dumps({"b": json.dumps({name: secret})})}),
    "repr": lambda name, secret: repr({"a": 1, name: secret, "z": [1]}),
    "repr of bytes": lambda name, secret: repr({name.encode(): secret.encode()}),
    "repr of fields": lambda name, secret: repr([(b"host", b"x"), (name.lower().encode(), secret.encode())]),
    "assignment": lambda name, secret: f"{name}={secret}",
    "field": lambda name, secret: f"GET / HTTP/1.1\r\n{name}: {secret}\r\nHost: x",
    "yaml": lambda name, secret: f"a: 1\n{name} : {secret}\nb: 2",
    "form": lambda name, secret: urllib.parse.urlencode({"a": "1", name: secret, "b": "2"}),
    "query": lambda name, secret: f"https://x.example/cb?a=1&{name}={urllib.parse.quote(secret, safe='')}#top",
    "percent": lambda name, secret: urllib.parse.quote(f"{name}={secret}", safe=""),
    "percent twice": lambda name, secret: urllib.parse.quote(urllib.parse.quote(f"{name}={secret}", safe=""), safe=""),
    "percent json": lambda name, secret: urllib.parse.quote(json.dumps({name: secret}), safe=""),
    "login": lambda _, secret: f"postgresql://projects:{urllib.parse.quote(secret, safe='')}@db:5432/neoforge",
    "login as it is": lambda _, secret: f"connecting to redis://:{secret}@127.0.0.1:6379/0 failed",
    "percent login": lambda _, secret: urllib.parse.quote(
        f"amqps://me:{urllib.parse.quote(secret, safe='')}@h/v", safe=""
    ),
    "bearer": lambda _, secret: f"sent Bearer {base64.urlsafe_b64encode(secret.encode()).decode()}, and got 401",
    "basic": lambda _, secret: "basic " + base64.b64encode(f"me:{secret}".encode()).decode(),
    "command line": lambda name, secret: f"ran psql --{name} {secret}",
    "command line in a list": lambda name, secret: repr(["psql", f"--{name}", secret, "-h"]),
    "xml": lambda name, secret: f'<login user="x" {name}="{html.escape(secret)}"/> <{name}>{secret}</{name}>',
    "html": lambda name, secret: f'<input type="text" name="{name}" value="{html.escape(secret)}">',
    "html's escapes": lambda name, secret: html.escape(json.dumps({name: secret})),
    "json's escapes": lambda name, secret: f'{{"\\u00{ord(name[0]):02x}{name[1:]}": {json.dumps(secret)}}}',
    "name and value": lambda name, secret: json.dumps([{"name": name, "value": secret}]),
    "sql": lambda _, secret: f"ALTER ROLE projects ENCRYPTED PASSWORD '{secret.replace(chr(39), '')}'",
    "form in parts": lambda name, secret: (
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{secret}\r\n--b--'
    ),
    "form in parts, of bytes": lambda name, secret: repr(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{secret}\r\n--b--'.encode()
    ),
    "look-alikes": lambda name, secret: f"{chr(ord(name[0]) + 0xFEE0)}{name[1:]}={secret}",
    "unseen letters": lambda name, secret: f"{name[:3]}\u200b{name[3:]}={secret}",
    "cookies": lambda _, secret: f"Cookie: a=1; session={secret}; b=2",
    "xml with attributes": lambda name, secret: f'<{name} type="text">{html.escape(secret)}</{name}>',
    "html with more between": lambda name, secret: (
        f'<input value="{html.escape(secret)}" id="{name}">'
        f'<input name="{name}" type="text" value="{html.escape(secret)}">'
    ),
    "form in parts with a type": lambda name, secret: (
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: text/plain\r\n\r\n{secret}\r\n--b--'
    ),
    "yaml in lines": lambda name, secret: f"a:\n  {name}: |-\n    {secret}\n    {secret}\nb: 2",
    "csv of json": lambda name, secret: '1,"' + json.dumps({name: secret}).replace('"', '""') + '"',
    "sql with a quote": lambda _, secret: "ALTER ROLE projects PASSWORD '" + secret.replace("'", "''") + "'",
    "url with a port": lambda name, secret: f"https://db.example:5432/cb?{name}={secret}@x",
    "a name that names another": lambda name, secret: json.dumps({"grant_type": "password", name: secret}, indent=1),
    "pydantic": lambda name, secret: (
        f"1 validation error for Login\n{name}\n  Input should be a valid integer [type=int_type, "
        f"input_value={secret!r}, input_type=str]\n    For further information visit https://errors.pydantic.dev"
    ),
    "pydantic, of all": lambda _, secret: (
        f"Login\n  Value error, no [type=value_error, input_value={{'us...d': {secret!r}}}, input_type=dict]"
    ),
    "pydantic's errors": lambda name, secret: repr([{"loc": ("body", name), "msg": "bad", "input": secret}]),
    "dpop": lambda _, secret: f"sent DPoP {base64.urlsafe_b64encode(secret.encode()).decode()}, and got 401",
}


def traces_of(secret: str) -> Iterator[str]:
    """What must not be found: the secret's mark, plain or as base64 begins to write the whole."""
    yield MARK
    yield base64.b64encode(secret.encode()).decode()
    yield base64.urlsafe_b64encode(secret.encode()).decode()
    yield MARK.encode().hex()


def assert_hidden(written: str, secret: str) -> None:
    for _ in range(4):
        assert not [trace for trace in traces_of(secret) if trace in written], written
        written = urllib.parse.unquote(written)


def line(message: str, *args: Any, **rest: Any) -> str:
    return FORMATTER.format(
        logging.getLogger("part").makeRecord("part", logging.INFO, __file__, 1, message, args, None, **rest)
    )


@pytest.mark.parametrize("way", ways)
@given(named=named, before=anywhere, after=anywhere)
@example(named=("code", f"{MARK}00000000"), before="Bearer Bearer ", after="")
def test_a_named_secret_is_hidden_however_it_is_written_and_whatever_stands_around_it(
    way: str, named: tuple[str, str], before: str, after: str
) -> None:
    name, secret = named
    text = f"{before} {ways[way](name, secret)} {after}"
    for written in (line(text), line("%s", text), line("failed with %r", text), line("x", extra={"detail": text})):
        assert_hidden(written, secret)


@given(secret=token, before=st.text(max_size=20), after=plain)
@example(secret=f"nfr_{MARK}aaaaaaaa", before="'", after="")
def test_a_token_is_hidden_by_its_form_where_no_name_tells(secret: str, before: str, after: str) -> None:
    assert_hidden(line(f"{before} {secret} {after}"), secret)
    assert_hidden(line("for %s in %s", secret, [secret, {"a": secret}]), secret)
    assert_hidden(line(urllib.parse.quote(f"/x/{secret}?{secret}", safe="")), secret)


nested = st.recursive(
    st.just(None),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3), st.dictionaries(st.sampled_from(["a", "b"]), inner, min_size=1)
    ),
    max_leaves=6,
)


@given(named=named, shape=nested)
def test_a_secret_is_hidden_in_whatever_is_given_as_extra(named: tuple[str, str], shape: Any) -> None:
    name, secret = named
    several = name if MARK in secret[: len(MARK)] else f"{name}_list"

    def planted(node: Any) -> Any:
        if isinstance(node, list):
            return [planted(each) for each in node]
        if isinstance(node, dict):
            return {key: planted(each) for key, each in node.items()}
        return {name: secret, "more": {several: [secret]}, "pair": (name, secret), "raw": f'{{"{name}": 1}}'}

    written = line("x", extra={"given": planted(shape), "fields": [(name.lower().encode(), secret.encode())]})
    assert_hidden(written, secret)
    assert_hidden(line("x", extra={"argv": ["psql", f"--{name}", secret], "hpack": [(name, secret, True)]}), secret)
    assert_hidden(
        line("x", extra={"h": {"name": name, "value": secret}, "body": f"{name}={secret}".encode("utf-16")}), secret
    )
    assert_hidden(line("x", extra={name.replace("-", "_"): {"deep": secret}}), secret)
    assert_hidden(line("x", extra={"errors": [{"loc": ("body", name), "msg": "bad", "input": secret}]}), secret)


@given(name=names, secret=anything)
def test_a_secret_is_hidden_in_the_texts_of_exceptions_and_in_what_caused_them(name: str, secret: str) -> None:
    cause = KeyError({name: secret})
    failed = RuntimeError(f"cannot sign in: {name}={secret}")
    failed.add_note(f"{name}: {secret}")
    failed.__cause__ = cause
    record = logging.getLogger("part").makeRecord(
        "part", logging.ERROR, __file__, 1, "failed: %s", (failed,), (type(failed), failed, None)
    )
    written = FORMATTER.format(record)
    assert "KeyError" in written
    assert_hidden(written, secret)


@given(secret=st.text(printable, min_size=8, max_size=30).map(lambda text: MARK + text))
def test_a_secret_of_the_settings_is_hidden_by_its_value_wherever_it_stands(secret: str) -> None:
    with pytest.MonkeyPatch.context() as process:
        process.setattr(redaction, "known", KnownSecrets())
        redaction.known.hide([secret])
        for text in (
            f"it was {secret}!",
            urllib.parse.quote(secret),
            urllib.parse.quote_plus(secret),
            json.dumps(secret),
            repr(secret.encode()),
            secret.encode().hex(),
            *(base64.b64encode(before + secret.encode() + b" behind").decode() for before in (b"", b"a", b"ab")),
        ):
            assert_hidden(line(text), secret)
        assert_hidden(line("%s", [secret]), secret)


def test_a_secret_of_the_settings_that_is_the_name_of_another_gives_neither_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redaction, "known", KnownSecrets())
    redaction.known.hide(["password"])
    assert redact("password=hunter2 and so on") == "[redacted]=[redacted]"


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/projects/018f0000-0000-7000-8000-000000000001 200",
        "/neoforge.projects.v1.ProjectsService/GetProject failed: there is no project with this id",
        "mail 01a216c4-00d8-728e-9b08-c15c95961315 sent",
        "https://api.example.com/api/v1/invitations/{token}",
        "redis://127.0.0.1:6379/0 does not answer",
        "100 % of tokens were refused; the author's keys are known",
        "SELECT projects.id, projects.name FROM projects.projects WHERE projects.id = %(id)s",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_what_stands_around_a_hidden_value_in_quotes_is_still_told() -> None:
    text = '{"user": "ines", "password": "a\\"b", "attempt": 3}'
    assert json.loads(redact(text)) == {"user": "ines", "password": "[redacted]", "attempt": 3}


def test_a_long_text_costs_no_more_than_its_length() -> None:
    for text in (
        "password" * 20_000,
        "token=" + "\\" * 200_000,
        '"' * 200_000 + "secret",
        "a" * 200_000 + "://" + "b" * 200_000,
    ):
        redact(text)
