"""Examples for `--help` and docs/cli.md, by command: each can be pasted once its names are yours."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "serve": ("rollbook serve --port 9000", "rollbook serve --data /var/lib/rollbook --backup-every 24h"),
    "open": ("rollbook open", "rollbook open --data /var/lib/rollbook"),
    "login": (
        "rollbook login --url https://rollbook.example.com",
        "rollbook login --url https://rollbook.example.com --scopes users:read,events:read --expires 7d",
        "rollbook login --profile staging --url https://staging.example.com",
    ),
    "logout": ("rollbook logout", "rollbook logout --profile staging --revoke"),
    "profiles": ("rollbook profiles",),
    "users list": (
        "rollbook users list --search ada",
        "rollbook users list --role viewer --created-after 2026-01-01 --sort -created_at",
        "rollbook users list --status deleted",
    ),
    "users get": ("rollbook users get ada@example.com", "rollbook users get ada@example.com --json"),
    "users create": (
        'rollbook users create --name "Ada Lovelace" --email ada@example.com',
        'rollbook users create --name "Ada Lovelace" --email ada@example.com --password - --metadata plan=team < '
        "password.txt",
    ),
    "users invite": (
        "rollbook users invite ada@example.com",
        "rollbook users invite ada@example.com --role admin --quiet",
    ),
    "users set": (
        "rollbook users set ada@example.com --role admin",
        "rollbook users set ada@example.com --metadata plan=team --metadata trial=",
        "rollbook users set ada@example.com --rate-limit 1000/minute",
    ),
    "users personal-data": ("rollbook users personal-data ada@example.com > ada.json",),
    "users verify-password": ("rollbook users verify-password ada@example.com",),
    "users bulk": ("rollbook users bulk changes.json --atomic",),
    "users password": ("rollbook users password ada@example.com",),
    "users suspend": ("rollbook users suspend ada@example.com",),
    "users activate": ("rollbook users activate ada@example.com",),
    "users count": ("rollbook users count", "rollbook users count --role admin"),
    "users delete": ("rollbook users delete ada@example.com", "rollbook users delete ada@example.com --purge"),
    "users restore": ("rollbook users restore ada@example.com",),
    "users export": (
        "rollbook users export people.csv",
        "rollbook users export --role member | gzip > members.ndjson.gz",
    ),
    "users import": (
        "rollbook users import people.csv --dry-run",
        "rollbook users import people.csv --on-conflict update --map Mail=email --map Plan=metadata.plan",
        "rollbook users import auth0.ndjson --from auth0 --report refused.ndjson",
        "rollbook users import people.csv --unknown-hashes skip --report report.ndjson",
    ),
    "tokens create": (
        "rollbook tokens create ada@example.com --purpose reset_password",
        "rollbook tokens create ada@example.com --purpose verify_email --expires 2d --redirect-url "
        "https://app.example.com/welcome",
    ),
    "tokens list": ("rollbook tokens list ada@example.com",),
    "tokens revoke": ("rollbook tokens revoke ada@example.com TOKEN_ID",),
    "tokens consume": ("rollbook tokens consume TOKEN --password -",),
    "keys create": (
        "rollbook keys create ada@example.com --name backup --scopes users:read --expires 90d",
        "rollbook keys create ada@example.com --ip-allow 10.0.0.0/8 --rate-limit 10/minute --quiet",
    ),
    "keys list": ("rollbook keys list ada@example.com",),
    "keys get": ("rollbook keys get current", "rollbook keys get KEY_ID --json"),
    "keys reveal": ("rollbook keys reveal KEY_ID",),
    "keys rotate": ("rollbook keys rotate KEY_ID --overlap 1d",),
    "keys revoke": ("rollbook keys revoke KEY_ID",),
    "keys mint": ("rollbook keys mint",),
    "sessions list": (
        "rollbook sessions list ada@example.com",
        "rollbook sessions list ada@example.com --audience https://app.example.com",
    ),
    "sessions delete": ("rollbook sessions delete SESSION_ID",),
    "events list": (
        'rollbook events list --type "user.*" --since 2026-11-25T00:00:00Z',
        "rollbook events list --user ada@example.com",
    ),
    "events tail": ("rollbook events tail", 'rollbook events tail --type "user.*"'),
    "webhooks list": ("rollbook webhooks list", "rollbook webhooks list --user ada@example.com"),
    "webhooks create": ('rollbook webhooks create https://example.com/hook --type "user.*"',),
    "webhooks get": ("rollbook webhooks get WEBHOOK_ID",),
    "webhooks set": ('rollbook webhooks set WEBHOOK_ID --type "user.*" --header "X-Team: billing"',),
    "webhooks reveal": ("rollbook webhooks reveal WEBHOOK_ID",),
    "webhooks rotate-secret": ("rollbook webhooks rotate-secret WEBHOOK_ID --overlap 1d",),
    "webhooks delete": ("rollbook webhooks delete WEBHOOK_ID",),
    "webhooks pause": ("rollbook webhooks pause WEBHOOK_ID",),
    "webhooks resume": ("rollbook webhooks resume WEBHOOK_ID",),
    "webhooks test": ("rollbook webhooks test WEBHOOK_ID",),
    "webhooks deliveries": ("rollbook webhooks deliveries WEBHOOK_ID --outcome failed",),
    "webhooks delivery": ("rollbook webhooks delivery WEBHOOK_ID DELIVERY_ID",),
    "webhooks resend": ("rollbook webhooks resend WEBHOOK_ID DELIVERY_ID",),
    "webhooks replay": ("rollbook webhooks replay WEBHOOK_ID --from 2026-11-25T00:00:00Z --only failed",),
    "webhooks replays": ("rollbook webhooks replays WEBHOOK_ID",),
    "webhooks show-replay": ("rollbook webhooks show-replay WEBHOOK_ID REPLAY_ID",),
    "webhooks cancel-replay": ("rollbook webhooks cancel-replay WEBHOOK_ID REPLAY_ID",),
    "webhooks listen": ('rollbook webhooks listen --forward-to http://127.0.0.1:3000/hook --type "user.*"',),
    "webhooks trigger": ("rollbook webhooks trigger user.created --forward-to http://127.0.0.1:3000/hook",),
    "imports list": ("rollbook imports list",),
    "imports get": ("rollbook imports get IMPORT_ID",),
    "imports report": ("rollbook imports report IMPORT_ID > refused.ndjson",),
    "imports cancel": ("rollbook imports cancel IMPORT_ID",),
    "usage": ("rollbook usage ada@example.com --period 30d",),
    "logs list": ("rollbook logs list --status 5xx --path /v1/users",),
    "logs get": ("rollbook logs get REQUEST_ID",),
    "logs tail": ("rollbook logs tail --status 4xx",),
    "api": ('rollbook api GET "/v1/users?limit=5"', """rollbook api PATCH /v1/users/me --body '{"name": "Ada"}'"""),
    "doctor": ("rollbook doctor", "rollbook doctor --deep --data /var/lib/rollbook"),
    "backup": ("rollbook backup rollbook.db", "rollbook backup /backup/rollbook.db --force --data /var/lib/rollbook"),
    "migrate": ("rollbook migrate --check",),
    "copy": ("rollbook copy --from sqlite:data --to postgresql://rollbook@db.example.com/rollbook",),
    "secret rotate": ("rollbook secret rotate", "rollbook secret rotate --data /var/lib/rollbook"),
    "mail test": (
        "rollbook mail test ada@example.com",
        "rollbook mail test ada@example.com --kind invitation --language de",
    ),
    "secret forget": ("rollbook secret forget",),
    "secret renew-access-keys": ("rollbook secret renew-access-keys",),
    "openapi": ("rollbook openapi > openapi.json",),
    "version": ("rollbook version",),
}


def epilog(command: str) -> str:
    """Text after the options in the help of a command. `\\b` keeps the lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in EXAMPLES[command])])
