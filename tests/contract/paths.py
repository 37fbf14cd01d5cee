"""Paths of the API whose rows several tests name."""

from __future__ import annotations

USER = "/v1/users/{userId}"
FACTORS = USER + "/second-factors"
FACTOR = FACTORS + "/{factorId}"
APPLICATION = "/v1/applications/{applicationId}"
GROUP = "/v1/groups/{groupId}"
MEMBERS = GROUP + "/members"
MEMBER = MEMBERS + "/{userId}"
KEY = "/v1/keys/{keyId}"
WEBHOOK = "/v1/webhooks/{webhookId}"
DELIVERY = WEBHOOK + "/deliveries/{deliveryId}"
REPLAY = WEBHOOK + "/replays/{replayId}"
JOB = "/v1/bulk-jobs/{jobId}"
IMPORT = "/v1/imports/{importId}"
TOKEN = USER + "/tokens/{tokenId}"
SESSION = "/v1/sessions/{sessionId}"
RULES = "/v1/rules"
RULE_PATH = "/v1/rules/{ruleId}"
RULE = {"name": "A rule", "when": {"after": "last_active_at", "days": 3650}, "steps": [{"do": "suspend"}]}
"""A rule that is for no one."""
