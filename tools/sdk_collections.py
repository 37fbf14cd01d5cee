"""Writes integrations/postman and integrations/bruno from openapi.json: which calls, in which order, is here; all else
there.

tools/sdk_collections.py            writes the files
tools/sdk_collections.py --check    fails if they are not what it would write
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from sdk_description import API, ROOT, Operation, operations

POSTMAN = ROOT / "integrations" / "postman" / "rollbook.postman_collection.json"
BRUNO = ROOT / "integrations" / "bruno"
URL = API["servers"][0]["url"]
PASSWORD = "securepassword123"
AUDIENCE = "https://app.example.com"
CSV = "name,email\nAda Lovelace,ada@example.com\n"
SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://schema.getpostman.com/rollbook")


class Call(NamedTuple):
    """A request of the collections. Those of one run need only what those before it have set."""

    id: str
    """The operationId."""
    title: str = ""
    """If a call is there twice."""
    body: dict[str, Any] | None = None
    """Instead of the example."""
    sets: dict[str, str] = {}
    """Variables, with the path of their value in the response."""
    query: dict[str, str] = {}
    """Parameters that are sent; the others are there, switched off."""
    folder: str = ""
    """Instead of the tag."""


CALLS = (
    Call(
        "create_user",
        body={"name": "Charlie Chaplin", "email": "charlie.{{$guid}}@example.com", "password": PASSWORD},
        sets={"userId": "id", "email": "email"},
    ),
    Call("list_users"),
    Call("count_users"),
    Call("get_user"),
    Call("patch_user", "Update a user and merge metadata"),
    Call("update_user", body={"name": "Charles Chaplin"}),
    Call("list_users", "Find users by metadata", query={"metadata": "plan:team"}),
    Call("bulk_users", body={"operations": [{"op": "update", "id": "{{userId}}", "name": "Charlie"}]}),
    Call("verify_password", body={"email": "{{email}}", "password": PASSWORD}),
    Call("set_password", body={"password": PASSWORD}),
    Call("create_password_link", body={}),
    Call("adopt_user"),
    Call("suspend_user"),
    Call("activate_user"),
    Call("export_user"),
    Call("delete_user"),
    Call("restore_user"),
    Call("create_second_factor", sets={"factorId": "id"}),
    Call("list_second_factors"),
    Call("get_second_factor"),
    Call("remove_second_factor"),
    Call("create_application", body={"name": "Shop"}, sets={"applicationId": "id"}),
    Call("list_applications"),
    Call("get_application"),
    Call("patch_application"),
    Call("delete_application"),
    Call("create_group", body={"name": "Engineering", "metadata": {"cost_center": "4711"}}, sets={"groupId": "id"}),
    Call("list_groups"),
    Call("get_group"),
    Call("patch_group", "Update a group and merge metadata"),
    Call("update_group"),
    Call("set_member"),
    Call("add_members", body={"members": [{"user_id": "{{userId}}", "role": "member"}]}),
    Call("list_members"),
    Call("list_users", "List the users of a group", query={"group": "{{groupId}}"}, folder="Groups"),
    Call("remove_member"),
    Call("delete_group"),
    Call(
        "create_key",
        body={"name": "billing service", "user_id": "{{userId}}", "scopes": ["users:read"]},
        sets={"keyId": "id"},
    ),
    Call("list_keys"),
    Call("get_key"),
    Call("patch_key", body={"rate_limit": "100/minute"}),
    Call("rotate_key", body={}, sets={"keyId": "id"}),
    Call("revoke_key"),
    Call(
        "create_token",
        body={"purpose": "verify_email"},
        sets={"tokenId": "id", "token": "token"},
        folder="Tokens",
    ),
    Call("list_tokens", folder="Tokens"),
    Call("consume_token", body={"token": "{{token}}"}),
    Call(
        "create_token",
        "Create another one-time token",
        body={"purpose": "sign_in"},
        sets={"tokenId": "id"},
        folder="Tokens",
    ),
    Call("revoke_token", folder="Tokens"),
    Call(
        "create_session",
        body={"email": "{{email}}", "password": PASSWORD, "audience": AUDIENCE},
        sets={"sessionId": "id", "sessionToken": "token", "refreshToken": "refresh_token"},
    ),
    Call("list_sessions"),
    Call("verify_session", body={"token": "{{sessionToken}}", "audience": AUDIENCE}),
    Call("refresh_session", body={"refresh_token": "{{refreshToken}}", "audience": AUDIENCE}),
    Call("end_session"),
    Call("create_webhook", sets={"webhookId": "id"}),
    Call("list_webhooks"),
    Call("get_webhook"),
    Call("patch_webhook", body={"types": ["user.*", "key.*"]}),
    Call("test_webhook", sets={"deliveryId": "id"}),
    Call("list_deliveries"),
    Call("get_delivery"),
    Call("pause_webhook"),
    Call("resume_webhook"),
    Call("rotate_secret", body={}),
    Call("list_replays"),
    Call("delete_webhook"),
    Call("list_events", sets={"eventId": "0.id"}),
    Call("get_event"),
    Call("create_import", query={"dry_run": "true"}, sets={"importId": "id"}),
    Call("list_imports"),
    Call("get_import"),
    Call("create_bulk_job", body={"action": "activate", "ids": ["{{userId}}"]}, sets={"jobId": "id"}),
    Call("list_bulk_jobs"),
    Call("get_bulk_job"),
    Call("export_users", query={"ids": "{{userId}}"}),
    Call("list_requests", sets={"requestId": "0.id"}),
    Call("get_request"),
    Call("get_usage"),
    Call("live"),
    Call("ready"),
    Call("show_metrics"),
    Call("delete_user", "Erase the user", query={"purge": "true"}, folder="Clean up"),
)
"""In the order of a run, the requests of a folder side by side."""
LEFT_OUT = {
    # Codes of an authenticator app, and what needs an active second factor.
    "verify_challenge",
    "activate_second_factor",
    "verify_second_factor",
    "regenerate_recovery_codes",
    "lift_second_factors",
    # Mail, and the caller's own password.
    "request_token",
    "reveal_key",
    "reveal_webhook",
    # A run has nothing for them to work on.
    "resend_delivery",
    "revert_event",
    "create_replay",
    "get_replay",
    "cancel_replay",
    "report_import",
    "cancel_import",
    "run_import",
    "get_bulk_job_results",
    "cancel_bulk_job",
    "undo_bulk_job",
    # It never ends.
    "follow_events",
    # For programs.
    "show_jwks",
    "show_openapi",
}
"""Operations that no request of the collections calls."""


class Request(NamedTuple):
    """What both formats have of a call."""

    call: Call
    of: Operation
    folder: str

    @property
    def title(self) -> str:
        return self.call.title or self.of.of["summary"]

    @property
    def status(self) -> int:
        return int(next(status for status in self.of.of["responses"] if status.startswith("2")))

    @property
    def url(self) -> str:
        return "{{baseUrl}}" + re.sub(r"\{(\w+)\}", r"{{\1}}", self.of.path)

    @property
    def headers(self) -> dict[str, str]:
        found = {each["name"] for each in self.of.parameters if each["in"] == "header"}
        return {"Idempotency-Key": "{{$guid}}"} if "Idempotency-Key" in found else {}

    @property
    def query(self) -> list[tuple[str, str, bool, str]]:
        """Name, value, whether it is sent, and what it does."""
        listed = [each for each in self.of.parameters if each["in"] == "query"]
        sent = self.call.query
        return [
            (each["name"], sent.get(each["name"], ""), each["name"] in sent, first(each["description"]))
            for each in listed
        ]

    @property
    def body(self) -> Any:
        content = self.of.of.get("requestBody", {}).get("content", {}).get("application/json", {})
        return self.call.body if self.call.body is not None else content.get("example")

    @property
    def text(self) -> str:
        """What it does, with the names that it has in a run."""
        return self.of.of["description"].strip()


def main(arguments: list[str]) -> int:
    asked = list(requests())
    wanted = {POSTMAN: json.dumps(postman(asked), indent="\t", ensure_ascii=False) + "\n", **bruno(asked)}
    there = [path for path in BRUNO.rglob("*") if path.suffix in (".bru", ".json")]
    outdated = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    outdated += [path for path in there if path not in wanted]
    for path in outdated:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is not up to date: run `make sdk`", file=sys.stderr)
        elif path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
        else:
            path.unlink()
    return 1 if outdated and "--check" in arguments else 0


def requests() -> Iterable[Request]:
    by_id = {each.id: each for each in operations()}
    if forgotten := by_id.keys() - {call.id for call in CALLS} - LEFT_OUT:
        raise SystemExit(
            f"Neither in CALLS nor in LEFT_OUT of tools/sdk_collections.py: {', '.join(sorted(forgotten))}"
        )
    for call in CALLS:
        of = by_id[call.id]
        yield Request(call, of, call.folder or of.of["tags"][0])


def first(text: str) -> str:
    """The first sentence."""
    return re.split(r"(?<=[.])\s", " ".join(text.split()))[0]


def folders(asked: list[Request]) -> list[tuple[str, list[Request]]]:
    return [(name, list(inside)) for name, inside in groupby(asked, lambda each: each.folder)]


def variables() -> list[str]:
    return list(dict.fromkeys(name for call in CALLS for name in call.sets))


def steps(path: str) -> str:
    """A path in a response, as JavaScript."""
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in path.split("."))


# Postman


def postman(asked: list[Request]) -> dict[str, Any]:
    own = {"baseUrl": URL, "key": "", **dict.fromkeys(variables(), "")}
    return {
        "info": {
            "_postman_id": str(SPACE),
            "name": "Rollbook",
            "description": "Set the variables `baseUrl` and `key`, an API key of an admin or owner. Requests set the IDs that others use.",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{key}}", "type": "string"}]},
        "variable": [{"key": name, "value": value} for name, value in own.items()],
        "item": [{"name": name, "item": [postman_item(each) for each in inside]} for name, inside in folders(asked)],
    }


def postman_item(request: Request) -> dict[str, Any]:
    script = [f'pm.test("Status {request.status}", () => pm.response.to.have.status({request.status}));']
    script += [
        f'pm.collectionVariables.set("{name}", pm.response.json(){steps(path)});'
        for name, path in request.call.sets.items()
    ]
    headers = dict(request.headers)
    body = None
    if request.of.takes_file:
        headers["Content-Type"] = "text/csv"
        body = {"mode": "raw", "raw": CSV}
    elif request.body is not None:
        headers["Content-Type"] = "application/json"
        body = {"mode": "raw", "raw": json.dumps(request.body, indent=2), "options": {"raw": {"language": "json"}}}
    sent = "&".join(f"{name}={value}" for name, value, on, _ in request.query if on)
    host, *path = request.url.split("/")
    url: dict[str, Any] = {"raw": request.url + ("?" + sent if sent else ""), "host": [host], "path": path}
    if request.query:
        url["query"] = [
            {"key": name, "value": value, "description": text, **({} if on else {"disabled": True})}
            for name, value, on, text in request.query
        ]
    asked = {
        "method": request.of.method,
        "header": [{"key": name, "value": value} for name, value in headers.items()],
        "url": url,
        "description": request.text,
        **({"body": body} if body else {}),
    }
    return {
        "name": request.title,
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": script}}],
        "request": asked,
    }


# Bruno


def bruno(asked: list[Request]) -> dict[Path, str]:
    described = {"version": "1", "name": "Rollbook", "type": "collection", "ignore": ["node_modules", ".git"]}
    found = {
        BRUNO / "bruno.json": json.dumps(described, indent=2) + "\n",
        BRUNO / "collection.bru": blocks(("auth", ["mode: bearer"]), ("auth:bearer", ["token: {{key}}"])),
        BRUNO / "environments" / "Rollbook.bru": f"vars {{\n  baseUrl: {URL}\n}}\nvars:secret [\n  key\n]\n",
    }
    for number, (name, inside) in enumerate(folders(asked), 1):
        folder = BRUNO / name
        found[folder / "folder.bru"] = blocks(
            ("meta", [f"name: {name}", f"seq: {number}"]), ("auth", ["mode: inherit"])
        )
        for order, request in enumerate(inside, 1):
            found[folder / f"{request.title}.bru"] = bruno_request(request, order)
    return found


def bruno_request(request: Request, order: int) -> str:
    kind = "text" if request.of.takes_file else "none" if request.body is None else "json"
    sent = "&".join(f"{name}={value}" for name, value, on, _ in request.query if on)
    headers = [f"{name}: {value}" for name, value in request.headers.items()]
    if kind == "text":
        headers.append("Content-Type: text/csv")
    parts: list[tuple[str, Sequence[str]]] = [
        ("meta", [f"name: {request.title}", "type: http", f"seq: {order}"]),
        (
            request.of.method.lower(),
            [f"url: {request.url}{'?' + sent if sent else ''}", f"body: {kind}", "auth: inherit"],
        ),
        ("params:query", [f"{'' if on else '~'}{name}: {value}" for name, value, on, _ in request.query]),
        ("headers", headers),
        ("body:json", json.dumps(request.body, indent=2).split("\n") if kind == "json" else []),
        ("body:text", CSV.strip().split("\n") if kind == "text" else []),
        ("vars:post-response", [f"{name}: res.body{steps(path)}" for name, path in request.call.sets.items()]),
        ("assert", [f"res.status: eq {request.status}"]),
        ("docs", request.text.split("\n")),
    ]
    return blocks(*parts)


def blocks(*parts: tuple[str, Sequence[str]]) -> str:
    return "\n".join(
        f"{name} {{\n" + "".join(f"  {line}".rstrip() + "\n" for line in lines) + "}\n"
        for name, lines in parts
        if lines
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
