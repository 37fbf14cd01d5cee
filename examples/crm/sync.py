import os
import time
from pathlib import Path

import httpx2
from rollbook_client import PositionExpired, Rollbook

rollbook = Rollbook()  # reads ROLLBOOK_URL and ROLLBOOK_KEY
crm = httpx2.Client(
    base_url=os.environ["CRM_URL"], headers={"Authorization": f"Bearer {os.environ['CRM_KEY']}"}, timeout=30
)
place = Path("last-event-id")

CHANGES = ["user.created", "user.updated", "user.promoted", "user.suspended", "user.activated", "user.restored"]
REMOVALS = ["user.deleted", "user.purged"]


def remember(position):
    """In one step: if we are killed meanwhile, the old place is still there."""
    new = place.with_suffix(".new")
    new.write_text(position)
    new.replace(place)


def contact(user):
    """A user as your CRM wants them."""
    return {
        "name": user.name,
        "email": user.email,
        "active": user.status == "active",
        "plan": user.metadata.get("plan", "free"),
    }


def call_crm(method, path, body=None):
    """Repeats the call until the CRM has done it. Any other answer is our mistake: stop and look."""
    pause = 1
    while True:
        try:
            answer = crm.request(method, path, json=body)
            if answer.status_code < 300 or (method, answer.status_code) == ("DELETE", 404):
                return
            if answer.status_code != 429 and answer.status_code < 500:
                answer.raise_for_status()
            wait = float(answer.headers.get("Retry-After", pause))
        except httpx2.TransportError:
            wait = pause
        time.sleep(wait)
        pause = min(pause * 2, 60)


def apply(event):
    if event.type in REMOVALS or event.object.erased:
        call_crm("DELETE", f"/contacts/{event.object.id}")
    elif event.type in CHANGES:
        call_crm("PUT", f"/contacts/{event.object.id}", contact(event.object))


def send_all():
    position = None
    for page in rollbook.users.list(fields=["*"]).pages():
        position = position or page.event_position  # what changes while we read is sent again
        for user in page:
            call_crm("PUT", f"/contacts/{user.id}", contact(user))
    remember(position)


while True:
    if not place.exists():
        send_all()
    try:
        for event in rollbook.events.follow(place.read_text(), types=CHANGES + REMOVALS):
            apply(event)
            remember(event.id)  # only now: if we are killed before, the event comes again
    except PositionExpired:
        place.unlink()  # away for longer than events are kept: send all again
