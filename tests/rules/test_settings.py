"""Settings: which source wins, and that a value that does not fit is answered with where it came from and what to
write."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from rollbook.config import ConfigurationError, load, without_secrets
from rollbook.mailing import MailFrom, MailServer
from rollbook.quota import NO_LIMIT, Limit
from tests.grids import grid


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rollbook.toml"


def test_a_flag_wins_over_a_variable_and_that_over_the_file(file: Path) -> None:
    file.write_text("port = 1\nworkers = 2\nhost = '0.0.0.0'\n")
    settings, sources = load({"port": 3, "host": None}, {"ROLLBOOK_PORT": "4", "ROLLBOOK_WORKERS": "5"}, file)
    assert (settings.port, settings.workers, settings.host) == (3, 5, "0.0.0.0")
    origins = {source.name: source.origin for source in sources}
    assert (origins["port"], origins["workers"], origins["host"], origins["log"]) == (
        "flag",
        "ROLLBOOK_WORKERS",
        str(file),
        "default",
    )


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("port", "99999", "a whole number from 0 to 65535"),
        ("workers", "many", "a whole number from 1 to 256"),
        ("database_timeout", "0", "a number of seconds above 0, at most 600"),
        ("access_log", "perhaps", "true or false"),
        ("log", "xml", "one of auto, json, pretty, none"),
    ],
)
def test_what_does_not_fit_is_named_with_its_source_and_what_to_write(name: str, value: str, advice: str) -> None:
    variable = f"ROLLBOOK_{name.upper()}"
    with pytest.raises(ConfigurationError) as refusal:
        load({}, {variable: value})
    assert str(refusal.value) == f"{name} ({variable}): invalid value '{value}'. Use {advice}."


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("rate_limit = 5", "rate_limit ({file}): invalid value '5'. Use a string in quotation marks"),
        ('trusted_proxy = "10.0.0.0/8"', "trusted_proxy ({file}): invalid value '10.0.0.0/8'. Use a list of strings"),
        ("rate_limt = '5/minute'", "{file}: unknown setting 'rate_limt'"),
        ("rate_limit = '5", "{file}: "),
        (
            "role_limits = ['king=1/minute']",
            "role_limits: unknown role 'king'. Use one of member, viewer, admin, owner",
        ),
        ("role_limits = ['admin=many']", "role_limits: 'many' is not a rate limit"),
        ("sign_in_roles = ['king']", "sign_in_roles: unknown role 'king'."),
        (
            "trusted_proxy = ['10.0.0.1/8']",
            "trusted_proxy: 10.0.0.1/8 has host bits set. Use a network such as 10.0.0.0/8.",
        ),
        ("tls_cert = 'chain.pem'", "tls_cert and tls_key go together"),
        (
            "public_url = 'api.example.com'",
            "public_url: 'api.example.com' is not a URL. Use a full URL, such as https://api.example.com.",
        ),
    ],
)
def test_a_file_is_refused_with_a_sentence(file: Path, line: str, sentence: str) -> None:
    file.write_text(line + "\n")
    with pytest.raises(ConfigurationError) as refusal:
        load({}, {}, file)
    assert str(refusal.value).startswith(sentence.format(file=file))


def test_what_others_can_reach_without_tls_is_told_from_the_rest() -> None:
    for flags in ({}, {"host": "127.0.0.2"}, {"host": "::1"}, {"host": "localhost"}):
        assert not load(flags, {})[0].is_in_clear, flags
    for host in ("0.0.0.0", "::", "", "10.0.0.1", "localhost.example.com"):
        assert load({"host": host}, {})[0].is_in_clear, host
        assert load({"host": host, "public_url": "https://api.example.com"}, {})[0].is_in_clear, host
        assert not load({"host": host, "trusted_proxy": ["10.0.0.0/8"]}, {})[0].is_in_clear
        assert not load({"host": host, "tls_cert": "a", "tls_key": "b"}, {})[0].is_in_clear


@grid(
    "reachable",
    [
        {"host": "0.0.0.0"},
        {"host": "::"},
        {"public_url": "https://api.example.com"},
        {"trusted_proxy": ["127.0.0.1/32"]},
    ],
)
@grid(("memory", "passes"), [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5), (7_168, 50)])
def test_a_server_that_others_can_reach_refuses_hashes_that_are_too_cheap(
    reachable: dict[str, Any], memory: int, passes: int
) -> None:
    load({**reachable, "password_memory": memory, "password_time_cost": passes})
    for cheaper in (
        {"password_memory": memory - 1, "password_time_cost": passes},
        {"password_memory": 8, "password_time_cost": 1},
    ):
        with pytest.raises(
            ConfigurationError,
            match=r"^password_memory and password_time_cost are too small for a server that others can",
        ):
            load({**reachable, **cheaper})
        for local in ({}, {"host": "::1"}, {"public_url": "http://localhost:9000"}):
            assert load({**local, **cheaper})[0].hashes_are_weak


def test_hosts_of_webhooks_are_names() -> None:
    assert load({"webhook_hosts": ["hooks.slack.com", "*.example.com"]})[0].webhook_hosts[1] == "*.example.com"
    for wrong in ("https://hooks.slack.com", "hooks.slack.com/services", "*", "*.*.example.com", "a*.example.com", ""):
        with pytest.raises(ConfigurationError, match="is not a host"):
            load({"webhook_hosts": [wrong]})


MAIL = {
    "smtp": "smtp://user:s3cret@smtp.example.com:587",
    "mail_from": "Example <no-reply@example.com>",
    "public_url": "https://api.example.com",
}


def test_mail_is_sent_if_there_is_a_mail_server_a_sender_and_an_address_for_links() -> None:
    assert load(MAIL, {})[0].sends_mail
    assert not load({**MAIL, "smtp": ""}, {})[0].sends_mail
    for missing in ("mail_from", "public_url"):
        with pytest.raises(ConfigurationError, match=rf"^smtp needs {missing}: "):
            load({**MAIL, missing: ""}, {})


@pytest.mark.parametrize(
    "text",
    [
        "smtp.example.com:587",
        "http://user:s3cret@smtp.example.com",
        "smtp://user:s3cret@smtp.example.com:many",
        "smtp://user:s3cret@",
        "smtp://user@smtp.example.com/s3cret",
        "smtp://:s3cret@smtp.example.com",
        "smtp://user:s3/cret@smtp.example.com",
        "smtp://user:s3cret%0d%0aDATA@smtp.example.com",
        "smtps://user:s3cret@smtp.example.com?tls=off",
    ],
)
def test_an_address_of_a_mail_server_that_cannot_be_read_is_not_repeated(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^smtp: .+ Use smtp://user:password@host:587") as refusal:
        load({**MAIL, "smtp": text}, {})
    assert "s3" not in str(refusal.value)


def test_mail_servers_by_their_urls() -> None:
    assert MailServer.parse("smtp://me%40example.com:a%2Fb@[::1]") == ("::1", 587, "starttls", "me@example.com", "a/b")
    assert MailServer.parse("smtp://me@example.com:a:b@mx.example.com") == (
        ("mx.example.com", 587, "starttls", "me@example.com", "a:b")
    )
    assert MailServer.parse("smtps://mx.example.com") == ("mx.example.com", 465, "implicit", "", "")
    assert MailServer.parse("smtp+insecure://127.0.0.1:1025/") == ("127.0.0.1", 1025, "none", "", "")


def test_the_password_of_the_mail_server_is_not_shown() -> None:
    assert without_secrets("smtp", MAIL["smtp"]) == "smtp://…@smtp.example.com:587"


@pytest.mark.parametrize(
    "text", ["Example", "a@b, c@d", "Ex\r\nBcc: x <a@example.com>", "Example <a@b@c>", "<>", "a b@c"]
)
def test_a_sender_is_one_mailbox(text: str) -> None:
    for name in ("mail_from", "mail_reply_to"):
        with pytest.raises(ConfigurationError, match=rf"^{name}: .+ is not a sender"):
            load({**MAIL, name: text}, {})


def test_senders_have_a_name_or_none() -> None:
    assert MailFrom.parse("Example <no-reply@example.com>") == ("Example", "no-reply@example.com")
    assert MailFrom.parse('"Müller & Söhne" <a@xn--bcher-kva.example>') == ("Müller & Söhne", "a@xn--bcher-kva.example")
    assert MailFrom.parse("<a@example.com>") == MailFrom.parse("a@example.com") == ("", "a@example.com")


def test_a_named_file_must_be_there(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="file not found"):
        load({}, {}, file)


def test_lists_in_variables() -> None:
    settings, sources = load(
        {},
        {
            "ROLLBOOK_TRUSTED_PROXY": "10.0.0.0/8, fd00::/8",
            "ROLLBOOK_ROLE_LIMITS": "admin=1000/minute,9000/hour; viewer=none",
        },
    )
    assert settings.trusted_proxy == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert settings.role_limits == (("admin", Limit.parse("1000/minute,9000/hour")), ("viewer", NO_LIMIT))
    said = {source.name: source.value for source in sources}
    assert said["trusted_proxy"] == ("10.0.0.0/8", "fd00::/8")
    assert said["role_limits"] == ("admin=1000/minute,9000/hour", "viewer=none")
    assert said["rate_limit"] == "100/minute,5000/hour"
