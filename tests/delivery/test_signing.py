"""Signatures of Standard Webhooks."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from pathlib import Path

import pytest
import standardwebhooks

from rollbook.delivery import signing

ROOT = Path(__file__).parents[2]


def test_a_signature_is_the_one_of_the_specification() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert signing.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [key]) == [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ]


def test_secrets_are_new_and_read_back() -> None:
    secrets = {signing.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(signing.key(secret)) for secret in secrets} == {signing.SIZE}
    for text in ("", "whsec_", "whsec_AAAA", "AAAA", "whsec_" + "!" * 44, next(iter(secrets))[6:]):
        with pytest.raises(ValueError, match="not a webhook secret"):
            signing.key(text)


def test_the_public_python_library_verifies_what_is_sent_with_either_secret_of_a_rotation() -> None:
    old, new = signing.new_secret(), signing.new_secret()
    body = '{"id":"evt_1","name":"Zoë"}'.encode()
    sent = dict(signing.headers("evt_1", int(time.time()), body, [signing.key(new), signing.key(old)]))
    for secret in (old, new):
        assert standardwebhooks.Webhook(secret).verify(body, sent) == {"id": "evt_1", "name": "Zoë"}
    refused = (
        (signing.new_secret(), body, sent),
        (new, body + b" ", sent),
        (new, body, {**sent, "webhook-id": "evt_2"}),
        (new, body, {**sent, "webhook-timestamp": str(int(sent["webhook-timestamp"]) + 1)}),
        (new, body, dict(signing.headers("evt_1", int(time.time()) - 3600, body, [signing.key(new)]))),
    )
    for secret, content, headers in refused:
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(secret).verify(content, headers)


VERIFY = """
const { Webhook } = require("standardwebhooks");
const { body, headers, secrets } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const verify = (secret, body, headers) => { try { return new Webhook(secret).verify(body, headers).name; } catch (problem) { return problem.name; } };
const all = [...secrets.map((secret) => verify(secret, body, headers)), verify(secrets[0], body + " ", headers)];
process.stdout.write(JSON.stringify(all));
"""


def test_the_public_node_library_verifies_it_too() -> None:
    old, new, other = signing.new_secret(), signing.new_secret(), signing.new_secret()
    body = '{"id":"evt_1","name":"Zoë"}'
    headers = dict(signing.headers("evt_1", int(time.time()), body.encode(), [signing.key(new), signing.key(old)]))
    given = json.dumps({"body": body, "headers": headers, "secrets": [old, new, other]})
    ran = subprocess.run(["node", "-e", VERIFY], cwd=ROOT, input=given, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == ["Zoë", "Zoë", "WebhookVerificationError", "WebhookVerificationError"]


# The receivers that we ship, as functions of a request's body, headers and secret, and of the time.
SHIPPED = """
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");
const crypto = require("node:crypto");
const { cases, n8n, flow } = JSON.parse(readFileSync(0, "utf8"));
const compiled = require("esbuild").transformSync(readFileSync(n8n, "utf8"), { loader: "ts", format: "cjs" }).code;
const module_ = { exports: {} };
new Function("module", "exports", "require", compiled)(module_, module_.exports, createRequire(n8n));
const check = JSON.parse(readFileSync(flow, "utf8")).find((each) => each.name === "Check the signature");
const inNodeRed = new Function("msg", "env", "crypto", "Date", check.func);
const outcomes = cases.map(({ body, headers, secret, now }) => {
  const bytes = Buffer.from(body, "utf8");
  const [passed] = inNodeRed(
    { payload: bytes, req: { headers } },
    { get: () => secret },
    crypto,
    { now: () => now * 1000 },
  );
  return [module_.exports.isSigned(bytes, headers, secret, now), passed !== null];
});
process.stdout.write(JSON.stringify(outcomes));
"""


def test_the_nodes_for_n8n_and_node_red_accept_what_is_sent_and_nothing_else() -> None:
    now, body = 1_800_000_000, '{"id":"evt_1","type":"user.created","name":"Zoë"}'
    old, new = signing.new_secret(), signing.new_secret()
    keys = [signing.key(new), signing.key(old)]
    sent = dict(signing.headers("evt_1", now, body.encode(), keys))
    good = {"body": body, "headers": sent, "secret": new, "now": now}
    valid = (good, {**good, "secret": old}, {**good, "now": now + 299}, {**good, "now": now - 299})
    signature = sent["webhook-signature"].split()[0]
    refused = (
        {**good, "now": now + 301},
        {**good, "now": now - 301},
        {**good, "secret": signing.new_secret()},
        {**good, "secret": ""},
        {**good, "body": body + " "},
        {**good, "headers": {}},
        *(
            {**good, "headers": {**sent, name: value}}
            for name, value in {
                "webhook-id": "evt_2",
                "webhook-timestamp": f"{now + 1}",
                "webhook-signature": signature.replace("v1,", "v2,"),
            }.items()
        ),
        {**good, "headers": {**sent, "webhook-timestamp": "NaN"}},
        {**good, "headers": {**sent, "webhook-signature": signature[:-8]}},
    )
    given = {
        "cases": [*valid, *refused],
        "n8n": str(ROOT / "integrations/n8n/nodes/RollbookTrigger/signature.ts"),
        "flow": str(ROOT / "examples/node-red/flow.json"),
    }
    command = ["node", "-e", SHIPPED]
    ran = subprocess.run(command, cwd=ROOT, input=json.dumps(given), capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [[True, True]] * len(valid) + [[False, False]] * len(refused)
