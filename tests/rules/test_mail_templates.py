"""Templates of mails: the built-in design in every language, and files of a folder, of which none can do harm or keep a
mail from being sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollbook.config import Settings
from rollbook.delivery import mails
from rollbook.delivery.mails import KINDS, Facts, Rendered, Templates
from rollbook.languages import NAMES
from rollbook.records import events
from tests.grids import grid

SETTINGS = Settings(public_url="https://id.example.com", brand_name="Ünder & Co", brand_color="#ffd400")


def values(kind: str, code: str = "en") -> dict[str, Any]:
    return mails.values(kind, SETTINGS, code, mails.samples(SETTINGS, kind))  # type: ignore[bad-argument-type]


def rendered(folder: Path | str, kind: str = "invite", code: str = "en") -> Rendered:
    return Templates(str(folder)).rendered(kind, code, values(kind, code))  # type: ignore[bad-argument-type]


def problems(folder: Path) -> list[tuple[str, str]]:
    found = Templates(str(folder)).problems({kind: values(kind) for kind in KINDS}, NAMES)
    return [tuple(problem) for problem in found]


@grid("kind", KINDS)
def test_every_kind_is_whole_in_every_language(kind: str) -> None:
    for code in NAMES:
        subject, text, html = rendered("", kind, code)
        assert subject and "{" not in subject + text
        assert "\n" not in subject and "Ünder & Co" in text and "Ünder &amp; Co" in html
        link = values(kind)["link"]
        assert bool(KINDS[kind].button) == bool(link)
        if link:
            assert f"\n{link}\n" in text and html.count(f'href="{link}"') == 2
        for loaded in ("src=", "url(", "<link", "<script", "@import", "<img"):
            assert loaded not in html


def test_a_logo_that_mail_programs_show_stands_for_the_name(tmp_path: Path) -> None:
    logos = (("a.png", b"\x89PNG\r\n\x1a\n", True), ("b.svg", b"<svg/>", False), ("none.png", None, False))
    for name, content, is_shown in logos:
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        branded = Settings(public_url="https://id.example.com", brand_name="Acme", brand_logo=str(file))
        found = mails.values("test", branded, "en", mails.samples(branded, "test"))
        html = Templates("").rendered("test", "en", found).html
        assert ('<img src="cid:logo" alt="Acme"' in html) == is_shown
        assert ('700;">Acme</td>' in html) != is_shown


def test_a_file_replaces_the_built_in_one_the_most_specific_first(tmp_path: Path) -> None:
    (tmp_path / "layout.txt").write_text("All: {{ heading }} {{ link }}")
    (tmp_path / "invite.txt").write_text("Ours for {{ data.plan }}: {{ link }}")
    (tmp_path / "invite.de.txt").write_text("Unsere: {{ link }}")
    (tmp_path / "invite.subject.txt").write_text("Join\n{{ brand }}\n")
    (tmp_path / "invite.html").write_text(
        "<p>{{ name }}</p><a href=\"{{ link }}\">{{ button }}</a>{% include 'footer.html' ignore missing %}"
    )
    link = values("invite")["link"]
    assert rendered(tmp_path).text == f"Ours for pro: {link}"
    assert rendered(tmp_path, code="de").text == f"Unsere: {link}"
    assert rendered(tmp_path).subject == "Join Ünder & Co"
    assert rendered(tmp_path, "test").text.startswith("All: Test email from Ünder & Co")
    assert rendered(tmp_path, "test").html == rendered("", "test").html
    assert problems(tmp_path) == []


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ nobody }} {{ link }}", "'nobody' is undefined"),
        ("{% if %}", "line 1: "),
        ("no link", "the link is missing"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }} {{ link }}", "is unsafe"),
        ("{{ details.append(1) }} {{ link }}", "'append' of 'list' object is unsafe"),
        ("{{ link }} {% for a in range(99999999) %}x{% endfor %}", "rendering fails with OverflowError"),
        ("{{ link }} {{ 'x' * 300000 }}", "more than 262144 characters"),
        ("{% include '/etc/passwd' %} {{ link }}", "/etc/passwd"),
        ("{% include '../secret' %} {{ link }}", "../secret"),
        ("{{ link }} {{ data.nothing.more }}", "has no attribute 'nothing'"),
        (b"\xff\xfe", "can't be read as UTF-8"),
    ],
)
def test_a_broken_file_is_told_and_the_built_in_one_is_used(tmp_path: Path, template: str | bytes, why: str) -> None:
    (tmp_path.parent / "secret").write_text("secret")
    (tmp_path / "invite.txt").write_bytes(template if isinstance(template, bytes) else template.encode())
    assert rendered(tmp_path) == rendered("")
    ((file, told),) = problems(tmp_path)
    assert file == "invite.txt" and why in told and told.endswith("The built-in one is used")
    assert "alice@example.com" not in told


def test_values_are_escaped_in_html_and_are_no_templates(tmp_path: Path) -> None:
    (tmp_path / "email_changed.html").write_text("{{ name }}")
    facts = mails.samples(SETTINGS, "email_changed")._replace(name="{{ 7 * 7 }} & co")
    found = Templates(str(tmp_path)).rendered(
        "email_changed", "en", mails.values("email_changed", SETTINGS, "en", facts)
    )
    assert found.html == "{{ 7 * 7 }} &amp; co"


def test_files_that_have_no_effect_are_told(tmp_path: Path) -> None:
    for name in ("welcome.html", "invite.xx.html", "invite.pdf", ".hidden"):
        (tmp_path / name).write_text("{{ link }}")
    assert [file for file, _ in problems(tmp_path)] == ["invite.pdf", "invite.xx.html", "welcome.html"]
    ((file, why),) = problems(tmp_path / "none")
    assert file == str(tmp_path / "none") and why == "can't be read: No such file or directory"


@grid("type", sorted(mails.TYPES))
def test_every_type_of_event_that_mails_are_about_is_one_and_can_be_read(type: str) -> None:
    found = mails.occasion(events.example(type, "evt_1", 0))
    if type not in ("token.created", "session.created", "second_factor.removed"):  # their examples lead to no mail
        assert found is not None and found.kind in KINDS
        facts = Facts("Ada", "ada@example.com", "https://id.example.com/", found.expires_at, found.facts)
        assert Templates("").rendered(found.kind, "en", mails.values(found.kind, SETTINGS, "en", facts)).text
