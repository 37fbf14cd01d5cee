"""The IDs and objects that examples show: in the API description, the docs and test deliveries."""

from __future__ import annotations

from typing import Any

from rollbook import clock
from rollbook.records import users, webhooks
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
USER_AS_CREATED = {
    **USER,
    "name": "Charlie Chaplin",
    "email": "charlie@example.com",
    "updated_at": "2023-10-27T10:15:00Z",
}
"""The fields that were changed since."""
KEY: dict[str, Any] = {
    "id": KEY_ID,
    "user_id": CHARLIE_ID,
    "name": "billing service",
    "kind": "api",
    "status": "active",
    "masked": "rbk_Exam…TtmI",
    "scopes": ["users:read"],
    "ip_allow": ["203.0.113.0/24"],
    "rate_limit": "50/minute",
    "audiences": None,
    "revealable": True,
    "created_at": "2023-10-27T10:20:00Z",
    "expires_at": "2024-10-27T10:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
}
GROUP: dict[str, Any] = {
    "id": GROUP_ID,
    "name": "Engineering",
    "external_id": "team-7",
    "metadata": {"cost_center": "4711"},
    "members": 12,
    "created_at": "2023-10-27T10:15:00Z",
    "updated_at": "2023-10-27T11:00:00Z",
}
GROUP_AS_CREATED = {**GROUP, "members": 0, "updated_at": "2023-10-27T10:15:00Z"}
MEMBER: dict[str, Any] = {"group_id": GROUP_ID, "group_name": "Engineering", "user_id": CHARLIE_ID, "role": "lead"}
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SESSION: dict[str, Any] = {
    "id": SESSION_ID,
    "user_id": CHARLIE_ID,
    "audience": AUDIENCE,
    "created_at": "2023-10-27T10:25:00Z",
    "last_seen_at": "2023-10-27T10:40:00Z",
    "expires_at": "2023-10-27T10:55:00Z",
    "refresh_expires_at": "2023-11-26T10:40:00Z",
    "address": "203.0.113.7",
    "user_agent": USER_AGENT,
}
TOKEN: dict[str, Any] = {
    "id": TOKEN_ID,
    "user_id": CHARLIE_ID,
    "purpose": "verify_email",
    "email": "charlie@example.com",
    "data": {"plan": "pro"},
    "created_at": "2023-10-27T10:20:00Z",
    "expires_at": "2023-10-28T10:20:00Z",
}
REQUESTED_TOKEN: dict[str, Any] = {
    "id": TOKEN_ID,
    "user_id": CHARLIE_ID,
    "purpose": "reset_password",
    "redirect_url": "https://app.example.com/sign-in",
    "expires_at": "2023-10-27T10:50:00Z",
}
CARRIED: dict[str, str] = {
    "token": TOKEN_TEXT,
    "url": f"https://users.example.com/account/set-password?token={TOKEN_TEXT}",
    "email": "charlie.c@example.com",
}
"""Fields that a delivery has more, which carries the token."""
# In the right format, and opening nothing.
CHALLENGE = "Example-Only-Example-Only-Example-Only-Exam"
TOTP_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # of RFC 6238 appendix B
RECOVERY_CODES = tuple(f"exam-pne0-0n1y-0000-0000-{number:04}" for number in range(10))
SECOND_FACTOR: dict[str, Any] = {
    "id": FACTOR_ID,
    "user_id": CHARLIE_ID,
    "kind": "totp",
    "name": "Phone",
    "created_at": "2023-10-27T10:30:00Z",
    "confirmed_at": "2023-10-27T10:31:00Z",
    "last_used_at": "2023-10-27T10:31:00Z",
}
PASSWORD_LINK: dict[str, Any] = {"user_id": CHARLIE_ID, "expires_at": "2023-10-30T10:20:00Z"}
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
EXPORTED: dict[str, Any] = {"count": 1500, "filters": {"role": "member"}, "with_hashes": False}
BULK_JOB: dict[str, Any] = {
    "id": JOB_ID,
    "user_id": ALICE_ID,
    "key_id": KEY_ID,
    "action": "suspend",
    "undoes": None,
    "status": "finished",
    "error": None,
    "error_code": None,
    "total": 1204,
    "done": 1204,
    "changed": 1202,
    "unchanged": 1,
    "refused": 1,
    "created_at": "2023-10-27T10:50:00Z",
    "started_at": "2023-10-27T10:50:00Z",
    "finished_at": "2023-10-27T10:50:01Z",
    "send": False,
    "filter": {"status": "active", "created_before": "2022-01-01T00:00:00Z"},
}
IMPORT: dict[str, Any] = {
    "id": IMPORT_ID,
    "user_id": ALICE_ID,
    "key_id": KEY_ID,
    "status": "finished",
    "error": None,
    "error_code": None,
    "bytes": 29048216,
    "bytes_read": 29048216,
    "records": 100000,
    "records_expected": 100000,
    "added": 99871,
    "updated": 0,
    "unchanged": 0,
    "skipped": 127,
    "refused": 2,
    "without_password": 0,
    "weak_hashes": 0,
    "unknown_hashes": "refuse",
    "created_at": "2023-10-27T10:50:00Z",
    "started_at": "2023-10-27T10:50:01Z",
    "finished_at": "2023-10-27T10:50:04Z",
    "source": "rollbook",
    "format": "auto",
    "match": "email",
    "on_conflict": "skip",
    "dry_run": False,
    "events": "each",
    "adopt": False,
    "mapping": None,
    "delimiter": None,
}
EXCEEDED: dict[str, Any] = {
    "user_id": CHARLIE_ID,
    "key_id": KEY_ID,
    "window": "minute",
    "limit": 100,
    "resets_at": "2023-10-27T11:01:00Z",
}
ACTOR: dict[str, Any] = {
    "user_id": ALICE_ID,
    "key_id": KEY_ID,
    "address": "203.0.113.7",
    "request_id": REQUEST_ID,
    "trace_id": TRACE_ID,
    "client": None,
    "key_created_by": None,
}
