"""How a person without code connects an identity provider: from the search for its name to the values to paste."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.chromium import axe_in_both_themes, sideways, take_session
from tests.browser.conftest import with_and_without_scripts
from tests.browser.population import sign_in_by_form
from tests.browser.test_shell import COVERED
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server

TOKEN = re.compile(r"rbk_[0-9A-Za-z]{38}")


@with_and_without_scripts
def test_who_looks_for_their_provider_finds_the_page_and_on_the_next_one_all_that_is_to_be_pasted(
    new_page: Callable[..., Page], server: Server, scripts: bool
) -> None:
    page = new_page(java_script_enabled=scripts, viewport={"width": 390, "height": 844})
    take_session(page.context, sign_in_by_form(server, OWNER_EMAIL, OWNER_PASSWORD), server)
    page.goto("/admin")
    if scripts:
        page.keyboard.press("Control+k")
        for word in ("sso", "azure", "entra", "google", "okta"):
            page.get_by_role("dialog").get_by_role("searchbox").fill(word)
            expect(page.locator("dialog ul").get_by_role("link").first).to_contain_text("/admin/scim")
        page.keyboard.press("Enter")
    else:
        page.get_by_role("link", name="Users", exact=True).click()
        page.get_by_role("link", name="Identity provider").click()
    page.wait_for_url("**/admin/scim")
    for provider, url in (("okta", "/scim/v2"), ("entra", "/scim/v2?aadOptscim062020"), ("other", "/scim/v2")):
        page.goto("/admin/scim")
        page.get_by_label("Your identity provider").select_option(provider)
        page.get_by_role("button", name="Create key and show the steps").click()
        expect(page.get_by_text(TOKEN).first).to_be_visible()
        expect(page.locator("code", has_text=re.compile(f"^{re.escape(server.url + url)}$"))).to_be_visible()
        if scripts:
            assert not sideways(page) and not page.evaluate(COVERED) and not axe_in_both_themes(page)
