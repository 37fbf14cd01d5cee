"""Rules in the browser: from the gallery to a run that is undone, by a form that shows what its choices need."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx2
from playwright.sync_api import Page, expect

from tests.browser.chromium import axe, sideways
from tests.browser.conftest import with_and_without_scripts
from tests.browser.test_groups import browse, press
from tests.harness import new_user
from tests.nodes.pair import wait_until

__all__ = ["browse"]


@with_and_without_scripts
def test_a_rule_is_created_previewed_switched_on_run_and_undone(
    http: httpx2.Client, browse: Callable[..., Page], scripts: bool
) -> None:
    name = f"Rule {time.perf_counter_ns()}"
    user = new_user(http, name=name, metadata={"team": name})
    page = browse(scripts)
    page.goto("/admin")
    page.get_by_role("link", name="Rules and webhooks").click()
    page.locator('[href$="ready=suspend-inactive"]').click()
    page.get_by_label("Name").fill(name)
    # Fields are there for what is chosen, with and without scripts.
    for when, shown in (("event", "Event"), ("daily", "Time zone"), ("after:created_at", "Number of days")):
        page.locator("#field-when").select_option(when)
        for label in ("Event", "Time zone", "Number of days"):
            expect(page.get_by_label(label, exact=True)).to_be_visible(visible=label == shown)
    page.get_by_label("Number of days").fill("0")
    page.get_by_text("More conditions").click()
    page.get_by_label("Metadata", exact=True).fill(f"team = {name}")
    expect(page.locator("#field-step3_do")).to_be_hidden()
    expect(page.get_by_label("Group", exact=True)).to_have_count(5)
    for do, field in (("mail", "text"), ("webhook", "webhook_id"), ("report", "to")):
        page.locator("#field-step0_do").select_option(do)
        for each in ("text", "webhook_id", "to", "group"):
            expect(page.locator(f"#field-step0_{each}")).to_be_visible(visible=each == field)
    page.locator("#field-step0_do").select_option("add_to_group")
    expect(page.locator("#field-step0_group")).to_be_visible()
    if scripts:
        assert not axe(page) and not sideways(page)
    assert press(page, "Create and preview").status == 400
    expect(page.get_by_role("alert")).to_contain_text("group")
    page.locator("#field-step0_do").select_option("suspend")
    page.locator("#field-step1_do").select_option("")
    press(page, "Create and preview")

    expect(page.get_by_role("heading", name="For 1 person now")).to_be_visible()
    expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    assert http.get(f"/v1/users/{user['id']}").json()["status"] == "active"
    if scripts:
        assert not axe(page)
    press(page, "Switch on")
    wait_until(lambda: http.get(f"/v1/users/{user['id']}").json()["status"] == "suspended", 60)
    id = page.url.rpartition("/")[2]
    wait_until(lambda: http.get(f"/v1/rules/{id}/runs").json()[0]["finished_at"], 60)
    page.reload()
    press(page, "Undo", confirm=scripts)
    page.wait_for_url("**/bulk-jobs/*")
    assert http.get(f"/v1/users/{user['id']}").json()["status"] == "active"
    page.goto(f"/admin/rules/{id}")
    press(page, "Switch off")
    expect(page.locator("h1 + .badge")).to_have_text("Off")
    page.locator("summary", has_text="Delete rule").click()
    press(page, "Delete rule")
    assert http.get(f"/v1/rules/{id}").status_code == 404


def test_who_is_due_for_a_step_stands_below_its_title(http: httpx2.Client, browse: Callable[..., Page]) -> None:
    team = f"due{time.perf_counter_ns()}"
    new_user(http, metadata={"team": team})
    steps = [{"do": "end_sessions"}, {"do": "suspend", "after_days": 30}]
    rule = {"name": "Due", "enabled": True, "when": {"after": "created_at", "days": 0}, "steps": steps}
    path = f"/v1/rules/{http.post('/v1/rules', json={**rule, 'who': {'metadata': [f'team:{team}']}}).json()['id']}"
    wait_until(lambda: http.post(f"{path}/preview").json()["steps"][1]["waiting"] == 1, 60)
    page = browse()
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(path.replace("/v1", "/admin"))
        due = page.locator(".steps p")
        expect(due).to_contain_text("1 person is due on ")
        box = due.bounding_box()
        assert box and box["width"] > 200 and box["height"] < 60 and not sideways(page)
    assert not axe(page)
    http.delete(path)
