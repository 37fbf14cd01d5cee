"""The IDs and objects that examples show: in the API description, the docs and test deliveries. Objects that no code
makes are in `examples.json`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from rollbook import clock
from rollbook.records import clients, users, webhooks
from rollbook.records.clients import Client
from rollbook.records.users import User
from rollbook.records.webhooks import Webhook

ALICE_ID = "user_065n14sd01rd526r46hrcu0i8o"
BOB_ID = "user_065n1610s1svlbjclvt8htp6r0"
CHARLIE_ID = "user_065n18a8k1rnhbvqalm9j3ts0c"
TOKEN_ID = "tok_065n19t5rh1ut9c6n8p2q4v7eg"
KEY_ID = "key_065n19esg1vsvaetc6pc73vuso"
SESSION_ID = "ses_065n19qk2l1v7fm8c0t3b5d6eg"
WEBHOOK_ID = "webhook_065n1avd4p1q9h2v5c8m3k7r6g"
JOB_ID = "job_065n1d2k5m8q3t6u9v2b4f7h1s"
IMPORT_ID = "imp_065n1c7m8h1u9f3s6d2q5b8k4g"
APPLICATION_ID = "user_065n1c7g8a2e5m9q3t6v0t4u1s"
GROUP_ID = "group_065n1e8q5o1v3g7m2h9c4t0d6s"
RULE_ID = "rule_065n1e9c3k7u1g5m0h8t4d2q6s"
FACTOR_ID = "fac_065n1f3k9s1t7b2m5h8c0v4d6g"
EVENT_ID = "evt_065n1ijrg1t7ne57u1m417e15k"
DELIVERY_ID = "dlv_065n1p8d3o1k7f2h9v6c4m5r0g"
REPLAY_ID = "replay_065n1q2e4p1l8g3i0u7d5n6s1g"
REQUEST_ID = "req_7m2c9v0kq1t8a3hs0000001f"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
# In the right format, and not those of any server.
WEBHOOK_SECRET = "whsec_RXhhbXBsZSBPbmx5LiBFeGFtcGxlIE9ubHkuIEV4YW0="
SESSION_TOKEN = "rbs_" + "Example-Only-" * 3 + "Exam"
ACCESS_TOKEN = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFZERTQSIsImtpZCI6InNnbl8ifQ.eyJleGFtcGxlIjoib25seSJ9.Example-Only-Example-Only"
)
SIGNING_KEY_ID = "sgn_065n1b2q4m1t7g9c3k5v8r0p6s"
PUBLIC_KEY = "Example-Only-Example-Only-Example-Only-Exam"
REFRESH_TOKEN = "rbr_" + "Example-Only-" * 5
AUDIENCE = "https://app.example.com"
TOKEN_TEXT = "Example-Only-Example-Only-Example-Only-Exam"
KEY_TEXT = "rbk_" + "Example" * 4 + "Only" + "1gTtmI"
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
# In the right format, and opening nothing.
CHALLENGE = "Example-Only-Example-Only-Example-Only-Exam"
TOTP_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 6238 appendix B
RECOVERY_CODES = tuple(f"exam-pne0-0n1y-0000-0000-{number:04}" for number in range(10))

_CREATED, _UPDATED = clock.parse("2023-10-27T10:15:00Z"), clock.parse("2023-10-27T11:00:00Z")
_USER = User(
    0,
    CHARLIE_ID,
    "Charles Chaplin",
    "charlie.c@example.com",
    external_id="crm-1042",
    created_at=_CREATED,
    updated_at=_UPDATED,
)
USER: dict[str, Any] = {**users.complete(_USER), "metadata": {"plan": "pro"}, "private_metadata": {}}
_ADDED = clock.parse("2023-10-27T10:30:00Z")
WEBHOOK: dict[str, Any] = webhooks.in_events(
    Webhook(
        id=WEBHOOK_ID,
        user_id=ALICE_ID,
        created_by=ALICE_ID,
        secret=b"",
        url="https://app.example.com/hooks/rollbook",
        description="Billing",
        types="user.*",
        created_at=_ADDED,
        updated_at=_ADDED,
    )
)

APPLICATION: dict[str, Any] = {
    "id": APPLICATION_ID,
    "name": "Grafana",
    **clients.public(
        Client(
            APPLICATION_ID,
            redirect_urls="https://grafana.example.com/login/generic_oauth",
            post_logout_redirect_urls="https://grafana.example.com/login",
            sign_in_groups=GROUP_ID,
        )
    ),
}

_WHOLE_OR_PART = re.compile(r'"\{(\w+)\}"|\{([A-Z_]+)\}')


def read(file: Path, **values: Any) -> dict[str, Any]:
    """Read named values from a JSON file. `{KEY_ID}` in a text stands for the constant of this name, the value of this
    name here, or an earlier one of the file; a text that is nothing else becomes the value. The fields of the value at
    "..." are added to the object, before its own."""
    names = globals() | values

    def filled(name: re.Match[str]) -> str:
        if name[1]:
            return msgspec.json.encode(names[name[1]]).decode()
        value = names[name[2]]
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        return msgspec.json.encode(text).decode()[1:-1]

    examples: dict[str, Any] = {}
    for name, text in msgspec.json.decode(file.read_bytes(), type=dict[str, msgspec.Raw]).items():
        examples[name] = names[name] = _spread(msgspec.json.decode(_WHOLE_OR_PART.sub(filled, bytes(text).decode())))
    return examples


def _spread(value: Any) -> Any:
    if isinstance(value, dict):
        return value.pop("...", {}) | {name: _spread(part) for name, part in value.items()}
    return [_spread(part) for part in value] if isinstance(value, list) else value


_OBJECTS = read(Path(__file__).with_suffix(".json"))
USER_AS_CREATED: dict[str, Any] = _OBJECTS["USER_AS_CREATED"]
KEY: dict[str, Any] = _OBJECTS["KEY"]
GROUP: dict[str, Any] = _OBJECTS["GROUP"]
GROUP_AS_CREATED: dict[str, Any] = _OBJECTS["GROUP_AS_CREATED"]
MEMBER: dict[str, Any] = _OBJECTS["MEMBER"]
SESSION: dict[str, Any] = _OBJECTS["SESSION"]
TOKEN: dict[str, Any] = _OBJECTS["TOKEN"]
REQUESTED_TOKEN: dict[str, Any] = _OBJECTS["REQUESTED_TOKEN"]
CARRIED: dict[str, str] = _OBJECTS["CARRIED"]
"""Fields that a delivery has more, which carries the token."""
SECOND_FACTOR: dict[str, Any] = _OBJECTS["SECOND_FACTOR"]
EXPORTED: dict[str, Any] = _OBJECTS["EXPORTED"]
BULK_JOB: dict[str, Any] = _OBJECTS["BULK_JOB"]
RULE: dict[str, Any] = _OBJECTS["RULE"]
IMPORT: dict[str, Any] = _OBJECTS["IMPORT"]
EXCEEDED: dict[str, Any] = _OBJECTS["EXCEEDED"]
ACTOR: dict[str, Any] = _OBJECTS["ACTOR"]
SETTINGS: dict[str, Any] = _OBJECTS["SETTINGS"]
