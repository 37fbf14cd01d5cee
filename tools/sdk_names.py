"""What each operation of openapi.json is called in the SDKs: `client.RESOURCE.METHOD(…)`, in Python as it is here, in
TypeScript in camelCase."""

from __future__ import annotations

from typing import NamedTuple


class Name(NamedTuple):
    """`resource` is a path of attributes of the client, such as `webhooks.deliveries`."""

    resource: str
    method: str


def _names(resource: str, **methods: str) -> dict[str, Name]:
    return {operation: Name(resource, method) for method, operation in methods.items()}


NAMES: dict[str, Name] = {
    **_names(
        "users",
        list="list_users",
        create="create_user",
        count="count_users",
        bulk="bulk_users",
        verify_password="verify_password",
        verify_challenge="verify_challenge",
        get="get_user",
        # PATCH is what most calls want: it merges `metadata`, where PUT replaces it.
        update="patch_user",
        put="update_user",
        delete="delete_user",
        set_password="set_password",
        list_tokens="list_tokens",
        create_token="create_token",
        revoke_token="revoke_token",
        suspend="suspend_user",
        activate="activate_user",
        adopt="adopt_user",
        restore="restore_user",
        export="export_user",
    ),
    **_names("tokens", request="request_token", consume="consume_token"),
    **_names(
        "users.second_factors",
        list="list_second_factors",
        get="get_second_factor",
        create="create_second_factor",
        activate="activate_second_factor",
        verify="verify_second_factor",
        remove="remove_second_factor",
        lift="lift_second_factors",
        regenerate_codes="regenerate_recovery_codes",
    ),
    **_names(
        "applications",
        list="list_applications",
        create="create_application",
        get="get_application",
        update="patch_application",
        delete="delete_application",
    ),
    **_names(
        "groups",
        list="list_groups",
        create="create_group",
        get="get_group",
        update="patch_group",
        put="update_group",
        delete="delete_group",
    ),
    **_names("groups.members", list="list_members", add="add_members", set="set_member", remove="remove_member"),
    **_names("exports", users="export_users"),
    **_names(
        "keys",
        list="list_keys",
        create="create_key",
        get="get_key",
        update="patch_key",
        revoke="revoke_key",
        reveal="reveal_key",
        rotate="rotate_key",
    ),
    **_names(
        "sessions",
        list="list_sessions",
        create="create_session",
        refresh="refresh_session",
        verify="verify_session",
        end="end_session",
    ),
    **_names(
        "webhooks",
        list="list_webhooks",
        create="create_webhook",
        get="get_webhook",
        update="patch_webhook",
        delete="delete_webhook",
        reveal="reveal_webhook",
        rotate_secret="rotate_secret",
        test="test_webhook",
    ),
    **_names("webhooks.deliveries", list="list_deliveries", get="get_delivery", resend="resend_delivery"),
    **_names("webhooks.replays", list="list_replays", create="create_replay", get="get_replay", cancel="cancel_replay"),
    **_names(
        "bulk_jobs",
        create="create_bulk_job",
        list="list_bulk_jobs",
        get="get_bulk_job",
        results="get_bulk_job_results",
        cancel="cancel_bulk_job",
        undo="undo_bulk_job",
    ),
    **_names(
        "rules",
        list="list_rules",
        create="create_rule",
        get="get_rule",
        update="patch_rule",
        delete="delete_rule",
        preview="preview_rule",
        preview_new="preview_new_rule",
        run="run_rule",
        runs="list_rule_runs",
    ),
    **_names(
        "imports",
        create="create_import",
        list="list_imports",
        get="get_import",
        report="report_import",
        cancel="cancel_import",
        run_tested="run_import",
        suspend_absent="suspend_absent",
        undo="undo_import",
    ),
    **_names("events", list="list_events", get="get_event", revert="revert_event", follow="follow_events"),
    **_names("requests", list="list_requests", get="get_request"),
    **_names("usage", get="get_usage"),
    **_names("server", metrics="show_metrics", live="live", ready="ready", openapi="show_openapi", jwks="show_jwks"),
}
"""By operationId. The operations under `webhooks:`, which the server calls, have no names."""

RENAMED: dict[str, dict[str, str]] = {"list_events": {"type": "types"}}
"""Parameters with another name in the SDKs, by operationId: as `events.follow` has them."""
