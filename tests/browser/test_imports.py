"""Imports in a real browser: a file is looked at, tried in a dry run and imported, with and without scripts; and what
comes of a form that is none."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import axe, sideways, take_session
from tests.browser.conftest import with_and_without_scripts
from tests.browser.population import sign_in_by_form
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server, new_user
from tests.visitor import signed_in

CSV = """E-mail,Full name,Plan,role
{0}anna@import.example,Anna Import,pro,member
{0}bert@import.example,Bert Import,free,member
no-address,No Email,free,member
"""


@pytest.fixture(scope="module")
def owner(server: Server) -> httpx2.Cookies:
    return sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD)


@pytest.fixture
def open_page(server: Server, owner: httpx2.Cookies, new_page: Callable[..., Page]) -> Callable[..., Page]:
    """A page of the owner's browser."""

    def make(scripts: bool = True) -> Page:
        page = new_page(java_script_enabled=scripts)
        take_session(page.context, owner, server)
        return page

    return make


def count(page: Page, of: str) -> str:
    return page.locator(".counts div", has_text=of).last.locator("dd").inner_text()


def test_a_file_is_looked_at_tried_and_imported_without_leaving_the_page(
    http: httpx2.Client, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    file = tmp_path / "users.csv"
    file.write_text(CSV.format("by-"))
    page = open_page()
    page.goto("/admin/imports")
    expect(page.get_by_text("No imports yet")).to_be_visible()
    page.get_by_role("link", name="New import").click()
    page.get_by_label("File", exact=True).set_input_files(file)
    first = page.get_by_role("region", name="The first records of the file")
    expect(first).to_contain_text("by-anna@import.example")
    assert [page.get_by_label(column, exact=True).input_value() for column in ("E-mail", "Full name", "role")] == [
        "email",
        "name",
        "role",
    ]
    page.get_by_label("Plan", exact=True).select_option("metadata.Plan")
    assert axe(page) == []
    page.get_by_role("button", name="Start dry run").click()
    result = page.locator("#result")
    expect(result.get_by_role("heading")).to_have_text("Nothing was changed: this is what would happen")
    expect(page.locator("#import")).to_be_hidden()
    result.get_by_role("button", name="Change options").click()
    expect(page.get_by_label("Plan", exact=True)).to_have_value("metadata.Plan")
    page.get_by_role("button", name="Start dry run").click()
    expect(result.get_by_role("heading")).to_have_text("Nothing was changed: this is what would happen")
    assert (count(page, "To add"), count(page, "Refused")) == ("2", "1")
    assert http.get("/v1/users?q=by-anna").json() == []
    assert axe(page) == []
    result.get_by_text("Import this file…").click()
    expect(result).to_contain_text("2 to add, 0 to update.")
    result.get_by_role("button", name="Import now").click()
    page.wait_for_url("**/admin/imports/imp_*")
    page.reload()
    expect(page.get_by_role("heading", name="Import finished")).to_be_visible()
    assert (count(page, "Added"), count(page, "Refused")) == ("2", "1")
    [anna] = http.get("/v1/users?q=by-anna&fields=*").json()
    assert (anna["name"], anna["metadata"]) == ("Anna Import", {"Plan": "pro"})
    assert axe(page) == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Download report (NDJSON)").click()
    [refused] = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert (refused["line"], refused["field"]) == (4, "email")
    page.goto("/admin/imports")
    expect(page.get_by_role("row", name="dry run")).to_have_count(2)
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.get_by_role("row", name="users.csv")).to_have_count(3)


def test_to_load_the_page_again_after_a_dry_run_shows_it_with_the_name_of_its_file(
    http: httpx2.Client, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    file = tmp_path / "Kunden <2026>.csv"
    file.write_text(CSV.format("again-"))
    page = open_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/imports/new")
    page.get_by_label("File", exact=True).set_input_files(file)
    first = page.get_by_role("region", name="The first records of the file")
    expect(first.locator("td").first).to_have_attribute("data-label", "Line")
    page.get_by_label("Plan", exact=True).select_option("metadata.Plan")
    page.get_by_role("button", name="Start dry run").click()
    expect(page.locator("#result").get_by_role("heading")).to_have_text(
        "Nothing was changed: this is what would happen"
    )
    assert re.search(r"/admin/imports/imp_\w+$", page.url) and not sideways(page)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dry run")
    expect(page.get_by_text("Kunden <2026>.csv")).to_be_visible()
    assert (count(page, "To add"), count(page, "Refused")) == ("2", "1") and not sideways(page)
    page.get_by_text("Import this file…").click()
    page.get_by_role("button", name="Import now").click()
    expect(page.get_by_role("heading", name="Import finished")).to_be_visible()
    expect(page.get_by_text("Kunden <2026>.csv")).to_be_visible()
    assert [user["name"] for user in http.get("/v1/users?q=again-anna").json()] == ["Anna Import"]


@with_and_without_scripts
def test_refused_rows_are_shown_fixed_and_uploaded_alone_with_the_same_columns(
    http: httpx2.Client, open_page: Callable[..., Page], tmp_path: Path, scripts: bool
) -> None:
    """Without scripts, a dry run with the fields that are proposed comes first."""
    name = f"only{scripts}".lower()
    file, page = tmp_path / "users.csv", open_page(scripts)
    file.write_text(CSV.format(f"{name}-").replace("role", "Note").replace("no-address", f"{name}.no-address"))
    page.goto("/admin/imports/new")
    page.get_by_label("File", exact=True).set_input_files(file)
    if not scripts:
        page.get_by_role("button", name="Import without a dry run").click()
        until_over(page)
        expect(page.get_by_role("heading", name="Nothing was changed")).to_be_visible()
        assert http.get(f"/v1/users?q={name}").json() == []
        page.get_by_role("link", name="Change options").click()
    page.get_by_label("Plan", exact=True).select_option("metadata.Plan")
    page.get_by_label("Note", exact=True).select_option("")
    page.get_by_label("File", exact=True).set_input_files(file)
    if scripts:  # the columns are proposed anew for a file that is chosen anew
        page.get_by_label("Note", exact=True).select_option("")
    page.get_by_role("button", name="Import without a dry run").click()
    page.wait_for_url("**/admin/imports/imp_*")
    until_over(page) if not scripts else expect(page.get_by_role("heading", name="Import finished")).to_be_visible()
    [row] = page.get_by_role("region", name="The first 1 of the report").get_by_role("row").all()[1:]
    assert [cell.inner_text() for cell in row.locator("th, td").all()] == [
        "4",
        "E-mail",
        f"{name}.no-address",
        "An email address must have an @-sign.",
    ]
    columns = page.get_by_role("region", name="What becomes of each column")
    if not columns.is_visible():  # it is open where the page came while the import ran
        page.get_by_text("3 kept, 1 ignored").click()
    expect(columns).to_contain_text("mapped to email")
    expect(columns).to_contain_text("ignored: Left out by the mapping.")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the refused records (CSV)").click()
    refused = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert refused.splitlines()[0] == "E-mail,Full name,Plan,Note,problem" and len(refused.splitlines()) == 2
    file.write_text(refused.replace(".no-address", "@fixed.example"))
    page.get_by_role("link", name="Fix and upload only these").click()
    page.get_by_label("File", exact=True).set_input_files(file)
    if scripts:
        assert page.get_by_label("Note", exact=True).input_value() == ""
        assert page.get_by_label("Full name", exact=True).input_value() == "name"
    page.get_by_role("button", name="Import without a dry run").click()
    page.wait_for_url("**/admin/imports/imp_*")
    until_over(page) if not scripts else expect(page.get_by_role("heading", name="Import finished")).to_be_visible()
    assert (count(page, "Added"), count(page, "Refused")) == ("1", "0")
    [fixed] = http.get(f"/v1/users?email={name}@fixed.example&fields=*").json()
    assert (fixed["name"], fixed["metadata"]) == ("No Email", {"Plan": "free"})


def test_a_wrong_file_is_named_as_soon_as_it_is_chosen(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page()
    page.goto("/admin/imports/new")
    for number, (content, sentence) in enumerate(
        (
            (b"PK\x03\x04" + b"[Content_Types].xml xl/workbook.xml", "The file is an Excel workbook"),
            (b"<html><body>Session expired", "The file is a web page (HTML)"),
            (b"", "The file is empty"),
            (b'{"username":"a","createdTimestamp":1,"emailVerified":true}', "This looks like an export of Keycloak"),
        )
    ):
        file = tmp_path / f"users{number}.xlsx"
        file.write_bytes(content)
        page.get_by_label("File", exact=True).set_input_files(file)
        expect(page.locator("#preview")).to_contain_text(sentence)
        page.get_by_role("button", name="Import without a dry run").click()
        expect(page.locator("#result")).to_contain_text(sentence)
        expect(page.get_by_role("alert")).to_have_count(1)
    assert axe(page) == []
    page.get_by_label("Where the file comes from").select_option("keycloak")
    expect(page.locator("#preview")).to_contain_text("createdTimestamp")
    expect(page.locator("#preview")).to_contain_text("mapped to created_at")


def test_a_file_is_imported_without_scripts(
    http: httpx2.Client, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    file = tmp_path / "users.ndjson"
    users = [{"name": f"Plain {n}", "email": f"plain{n}@import.example"} for n in range(3)]
    users[0]["password_hash"] = "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8"  # of no known format
    file.write_text("".join(json.dumps(user) + "\n" for user in users))
    page = open_page(scripts=False)
    page.goto("/admin/imports/new")
    page.get_by_label("Users who already exist").select_option("update")
    page.get_by_text("unknown password hashes").click()
    page.get_by_label("Users whose password hash is not known").select_option("skip")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Start dry run").click()
    page.wait_for_url("**/admin/imports/imp_*")
    until_over(page)
    assert http.get("/v1/users/count?q=plain").json()["count"] == 0
    assert (count(page, "To add"), count(page, "Without a password")) == ("3", "1")
    page.get_by_text("Import this file…").click()
    page.get_by_role("button", name="Import now").click()
    page.get_by_role("heading", name="Import", exact=True).wait_for()
    until_over(page)
    assert http.get("/v1/users/count?q=plain").json()["count"] == 3
    assert (count(page, "Added"), count(page, "Without a password")) == ("3", "1")
    expect(page.locator("dl.facts")).to_contain_text("updated, matched by email")
    expect(page.locator("dl.facts")).to_contain_text("imported without a password")


def test_an_import_is_canceled(http: httpx2.Client, open_page: Callable[..., Page], tmp_path: Path) -> None:
    """Of so many users that it can't be over by then."""
    file = tmp_path / "users.ndjson"
    file.write_text("".join(f'{{"name": "Late", "email": "late{n}@import.example"}}\n' for n in range(100_000)))
    page = open_page()
    page.goto("/admin/imports/new")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Import without a dry run").click()
    page.get_by_role("button", name="Cancel import").click()
    page.locator("dialog").get_by_role("button", name="Cancel import").click()
    expect(page.get_by_role("heading", name="Canceled")).to_be_visible()
    expect(page.get_by_text("Users who were imported already stay.")).to_be_visible()
    found = http.get("/v1/imports?limit=1").json()[0]
    assert found["status"] == "canceled"
    assert http.get("/v1/users/count?q=late").json()["count"] == found["added"] < 100_000


def until_over(page: Page) -> None:
    until = time.monotonic() + 60
    while page.get_by_role("button", name="Cancel import").count():
        assert time.monotonic() < until, page.locator("main").inner_text()
        page.wait_for_timeout(100)
        page.reload()


# ---- forms that no page of ours sends


BOUNDARY = "----test"
HEAD = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(*parts: tuple[str, bytes]) -> bytes:
    """Each part by the rest of its Content-Disposition, and its content."""
    delimiter = f"--{BOUNDARY}".encode()
    fields = [
        delimiter + f"\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    ]
    return b"".join(fields) + delimiter + b"--\r\n"


FILE = ('name="file"; filename="users.ndjson"', b'{"name": "Form", "email": "form@import.example"}\n')


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (form(('name="file"; filename=""', b"")), 400, "Choose a file"),
        (form(('name="source"', b"rollbook")), 400, "has no file"),
        (form(('name="source"', b"nowhere"), FILE), 400, "must be one of"),
        (form(('name="source"', b"x" * 70_000), FILE), 400, "too long"),
        (form(*[(f'name="a{n}"', b"") for n in range(300)], FILE), 400, "not valid multipart/form-data"),
        (form(('name="source"', b"\xff"), FILE), 400, "not valid UTF-8"),
        (form(FILE)[:-12], 400, "not valid multipart/form-data"),
        (b"name=value", 400, "not valid multipart/form-data"),
        (b"", 400, "not valid multipart/form-data"),
    ],
    ids=[
        "no file chosen",
        "no file",
        "unknown source",
        "long field",
        "many fields",
        "not UTF-8",
        "cut off",
        "other",
        "empty",
    ],
)
def test_a_form_that_is_wrong_is_told_why_and_starts_nothing(
    server: Server, http: httpx2.Client, body: bytes, status: int, sentence: str
) -> None:
    before = http.get("/v1/imports").json()
    with signed_in(server) as visitor:
        answer = visitor.post("/admin/imports?run=import", content=body, headers=HEAD)
    assert (answer.status_code, sentence in answer.text) == (status, True), answer.text
    assert http.get("/v1/imports").json() == before
    assert not list((server.data / "imports").glob("*.upload"))


def test_columns_stand_in_the_order_of_the_file_and_names_are_joined_first_name_first(server: Server) -> None:
    table = (
        'name="file"; filename="users.csv"',
        b"Last name,First name,Plan,email\nByron,Ada,pro,ada@import.example\n",
    )
    with signed_in(server) as visitor:
        shown = visitor.post("/admin/imports/preview", content=form(table), headers=HEAD | {"HX-Request": "true"}).text
    assert re.findall(r"<label for=.field-\d.>(.*?)</label>", shown) == ["Last name", "First name", "Plan", "email"]
    assert "Ada Byron" in shown


def test_a_file_is_taken_from_our_own_pages_and_admins_only(server: Server, http: httpx2.Client) -> None:
    with signed_in(server) as visitor:
        other = visitor.post("/admin/imports", content=form(FILE), headers=HEAD | {"Sec-Fetch-Site": "cross-site"})
        assert other.status_code == 403
        assert (
            visitor.post("/admin/imports", content=form(FILE), headers={"Content-Type": "text/plain"}).status_code
            == 415
        )
    with signed_in(server, new_user(http)) as member:
        assert member.post("/admin/imports", content=form(FILE), headers=HEAD).status_code == 403
    assert http.get("/v1/users?q=form@import").json() == []
