"""Loaded by schemathesis: which requests it must not send, which users they are about, and what it takes for a failure
that is none."""

from __future__ import annotations

import json
import os
import random
import re
from typing import Any

import httpx2
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData

CALLER = os.environ["FUZZ_CALLER"]
READS = ("GET", "HEAD", "OPTIONS")

# Requests that follow the schema and are refused for what a schema cannot say.
STATE = {
    "challenge_invalid": "a challenge is random, and known to the server",
    "token_invalid": "the same of a token",
    "bulk_refused": "each operation has rules of its own",
    "email_taken": "the address is in use",
    "external_id_taken": "the id is in use",
    "idempotency_key_reused": "the key came with another request before",
    "bulk_job_limit_reached": "10 jobs at a time",
    "import_limit_reached": "10 imports at a time",
    "precondition_failed": "no user has that version",
    "uri_too_long": "each parameter is short enough, all together are not",
}
SENTENCES = {
    "cursor is invalid": "cursors are signed",
    "cursor is for another sort order": "cursors are signed, and for one order",
    "path_match requires path": "a parameter that needs another one",
    "cursor and offset cannot go together": "two parameters that exclude each other",
    "can't be combined with status=deleted": "parameters that exclude each other",
    "must have keys and values of": "the schema bounds both together",
    "must have each key once": "a schema compares whole items",
    "there is no such event": "`after` names an event that exists",
    "must be a JSON object from columns to fields": "JSON takes more than a pattern",
    "Send the file as the body": "Go's clients can't compile with a least length of a file",
    "would be easy to guess": "words, with digits and signs",
    "password was found in a data breach": "a file of the server",
    "password is the same as": "compared with the address and the name",
    "password is required": "generators can't write that of two fields one is required",
    "An invited user has no password yet": "the same",
    "status must be invited, or left out": "no two enumerations can share a value in Go",
    "An application can't be an owner": "depends on the kind",
    "This user is an application": "the same",
    "kind can't be changed": "the same",
    "q can't be used with": "parameters that exclude each other",
    "must not be invited": "depends on the status that the user has",
    "is only for change_email": "depends on the purpose",
    "is only for absent": "a parameter that needs another one",
    "absent needs": "the same",
    "has found no one absent": "depends on what it did",
    "is only for impersonate": "depends on the purpose",
    "can't be true for impersonate": "the same",
    "are not for client secrets": "depends on the kind",
    "its deliveries carry tokens": "two fields that exclude each other",
    "is required: the new email": "the same",
    "is required for a token of the purpose": "the same",
    "is only for tokens of the purpose": "the same",
    "filter or ids is required, and not both": "generators can't write that of two fields one is required",
    "filter finds no deleted users": "the same",
    "role is required": "depends on the action",
    "ends_at is required": "the same",
    "metadata is required": "the same",
    "is only for the action": "the same",
    "needs the status `enabled`": "a parameter that needs another one",
    "This import changed no one": "depends on what it did",
    "This job undid another one": "the same",
    "The import hasn't ended": "the same",
    "but 0 users match now": "depends on who exists",
    "must lead to an origin": "a setting",
    "needs a mail server": "the same",
    "can only be invite for": "depends on the status of the user",
    "must be invite for": "the same",
    "The user is suspended": "the same",
    "This user has no second factor": "depends on the user",
    "can't be combined with challenge": "fields of which one way is used",
    "can't be combined with email and password": "the same",
    "can't be combined with token": "the same",
    "code is required.": "the same",
    "email is required.": "the same",
    "challenge is required.": "the same",
    "or a token is required with a code": "the same",
    "is the user's email already": "depends on the user",
    "is required, or a token, or a challenge": "the same",
    "is required to change your own": "the email or password: depends on whose it is",
    "ip_allow must be an IP address or a network": "a pattern for IPv6 would be longer than the parser",
    "address must be an IP address": "the same",
    "actor must be me, or the ID": "of a user or an API key, each in its form",
    "expires_at must be in the future": "depends on the time",
    "ends_at must be in the future": "the same",
    "which the role": "depends on whose key it is to be",
    "The name is blank": "Unicode tells by its tables what shows something",
    "two windows of the same length": "a pattern cannot compare",
    "at most once, prefixed with": "both directions of a field are two items",
    "The name contains": "which characters it cannot contain takes Unicode's tables",
    "must not contain control characters": "the pattern names those that all generators can write",
    "Idempotency-Key must be 1 to 255 printable": "quotes around nothing",
    "The body contains a NUL character": "anywhere in a body, also within metadata",
    "url must": "hosts, ports and addresses, and what the settings allow",
    "headers must": "names ignore case, and all of them together have a maximum",
    "user_id must be the ID of a user": "depends on who exists",
    "user_id must not be repeated": "JSON Schema compares whole items only",
    "user_id must not be suspended": "depends on whose ID it is",
    "must be the ID of a group": "depends on which groups exist",
    "must be a URL": "hosts, ports and schemes of redirects, for which no pattern is short",
    "must not have a fragment": "the same",
    "must begin with https://, unless": "the same",
    "type must be one of": "those of this version",
    "from must not be after to": "depends on the log",
    "from must be cursor": "a name, a time or an ID",
    "audience is required, unless the API key has": "depends on the key",
    "are for keys of the kind": "depends on the kind",
    "is for applications: no one signs in": "depends on whose key it is to be",
    "ids must be IDs of users": "a pattern of each would refuse them one by one",
    "when must have one of": "generators can't write that of four fields one is required",
    "when.days is": "depends on the other fields",
    "is only for daily": "the same",
    "is only for group.member_": "the same",
    "when.event must be": "the types of this version",
    "when.zone must be": "the zones of the machine",
    "who.status doesn't go with": "depends on the moment",
    "can't decide whom a rule is for": "filters of lists that rules don't have",
    "is not for": "depends on the action of the step",
    "subject is required": "the same",
    "text is required": "the same",
    "webhook_id is required": "the same",
    "group_id is required": "the same",
    "].metadata must be a JSON object": "null sets nothing",
    "has a placeholder that doesn't exist": "those of mails",
    "of a webhook": "depends on what exists",
    "The rule is turned off": "depends on the rule",
    "people match now": "depends on who exists",
    "must be an RFC 3339 time": "the format date-time, which the pattern only begins",
}
BOOLEANS = ("purge", "dry_run")
# Too large for the transport, which answers before anybody has read what it is.
TOO_LARGE = (413, 414, 431)

_client = httpx2.Client(
    base_url=os.environ["FUZZ_URL"], headers={"Authorization": f"Bearer {os.environ['FUZZ_KEY']}"}, timeout=60
)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Keep the fuzzer's own account, and give half of the well-formed requests about a user, key or session one that
    exists."""
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    query = case.query or {}
    if str(query.get("wait", "")).isdigit() and 0 < int(query["wait"]) <= 60:
        query["wait"] = 1  # every number of seconds is waited for in the same way
        if positive:
            query["order"] = "asc"  # the description can't say that the other order doesn't wait
    if positive:
        for name in [name for name in query if name.endswith("_after")]:
            query.pop(name.replace("_after", "_before"), None)  # nor that it is the later one of the two
    if case.path == "/v1/bulk-jobs" and isinstance(case.body, dict) and isinstance(case.body.get("filter"), dict):
        case.body["filter"]["email"] = "nobody@example.com"  # not everybody, of whom others are in use
    item = case.path_parameters or {}
    name = next(
        (name for name in ("groupId", "userId", "applicationId", "keyId", "sessionId", "webhookId") if name in item),
        None,
    )
    if name is None:
        return
    # Any key it has found may be the one it needs.
    own = case.method not in READS and (item[name] in ("me", CALLER) or name == "keyId")
    if own or (positive and case.meta.phase.name.value == "fuzzing" and random.random() < 0.5):
        item[name] = _new(name)


def _new_webhook() -> str:
    """Of the caller, who has room for fifty."""
    own = _client.get("/v1/webhooks", params={"user": CALLER, "limit": 1000}).json()
    for each in own[: len(own) - 30] if len(own) > 40 else ():
        _client.delete(f"/v1/webhooks/{each['id']}")
    made = _client.post("/v1/webhooks", json={"url": "inbox", "user_id": CALLER})
    if made.status_code == 400:
        return own[0]["id"] if own else "webhook_06h1c2jb21ovffve18npjb611k"  # a member can have none
    made.raise_for_status()
    return made.json()["id"]


def _new(name: str) -> str:
    if name == "webhookId":
        return _new_webhook()
    if name == "applicationId":
        made = _client.post("/v1/applications", json={"name": "Shop"})
        return made.json()["id"] if made.status_code == 201 else CALLER  # a member can have none
    user = _client.post(
        "/v1/users",
        json={"name": "Alice", "email": f"{os.urandom(8).hex()}@example.com", "password": "securepassword123"},
    )
    user.raise_for_status()
    if name == "groupId":
        group = _client.post("/v1/groups", json={"name": "Engineering"})
        # A member can have none.
        return group.json()["id"] if group.status_code == 201 else "group_06h1c2jb21ovffve18npjb611k"
    if name == "userId":
        return user.json()["id"]
    if name == "sessionId":
        form = {"email": user.json()["email"], "password": "securepassword123"}
        with httpx2.Client(
            base_url=_client.base_url, headers={"Origin": os.environ["FUZZ_URL"]}, timeout=60
        ) as browser:
            assert browser.post("/account/sign-in", data=form).status_code == 303
        return _client.get("/v1/sessions", params={"user": user.json()["id"]}).json()[0]["id"]
    # To members, the keys of others do not exist.
    holder = CALLER if os.environ["FUZZ_REACH"] == "self" else user.json()["id"]
    key = _client.post("/v1/keys", json={"name": "a key", "user_id": holder})
    key.raise_for_status()
    return key.json()["id"]


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """False for what is as promised."""
    if isinstance(failure, AcceptedNegativeData):
        return not _may_be_answered(failure, case, response)
    if isinstance(failure, RejectedPositiveData):
        return not _may_be_refused(case, response)
    if isinstance(failure, EnsureResourceAvailability):
        return not _went_with_its_user(case)
    return True


def _went_with_its_user(case: Any) -> bool:
    """Whether what a scenario created was deleted with its user: schemathesis only knows of requests that name what
    they delete."""
    ids = (case.path_parameters or {}).values()
    newest = _client.get("/v1/events", params={"type": "key.created,webhook.created", "order": "desc", "limit": 1000})
    users = {event["user_id"] for event in newest.json() if event["object"]["id"] in ids}
    return any(_client.get(f"/v1/users/{user}").status_code == 404 for user in users)


def _may_be_answered(failure: AcceptedNegativeData, case: Any, response: Any) -> bool:
    if response.status_code in TOO_LARGE:
        return True
    if response.status_code == 207:
        return True  # what is wrong with an operation of a bulk call is its result
    if "`offset`" in failure.message and "maximum" in failure.message.lower():
        return True  # `format: int64` is for generated clients; the offset itself has no ceiling
    if "was object, became null" in failure.message or ("in body" in failure.message and case.body is None):
        return True  # JSON's null counts as no body: some generated clients can't send less
    if any(f"`{name}`" in failure.message and str((case.query or {}).get(name)) in "01" for name in BOOLEANS):
        return True  # as PHP writes them
    # Any text may be sent as If-None-Match and among `ids`: it is the tag of no version, and nobody's ID.
    return "`If-None-Match`" in failure.message or "`ids`" in failure.message


def _may_be_refused(case: Any, response: Any) -> bool:
    body = json.loads(response.content)
    if body["code"] in STATE:
        return True
    said = [body["error"], *(fault["message"] for fault in body.get("errors", ()))]
    if any(sentence in each for each in said for sentence in SENTENCES):
        return True
    # Where it finds no text for a pattern, schemathesis sends one that does not match.
    header = (case.headers or {}).get("If-Match", "*")
    return body.get("param") == "If-Match" and re.fullmatch(r'\*|(W/)?"[^"]*"( *, *(W/)?"[^"]*")*', header) is None
