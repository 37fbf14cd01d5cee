"""The table of all API endpoints. The router, permissions, OpenAPI, docs, SDKs and contract tests read it.

A row is a verb, the action, the scope, the type of the query or body, the type of what is sent, and how it is shown;
`but` says what not every row has (`api/route.py`).
"""

from __future__ import annotations

from rollbook import errors
from rollbook.actions import (
    adoption,
    app_sessions,
    applications,
    bulk,
    bulk_jobs,
    events,
    exports,
    groups,
    imports,
    keys,
    passwords,
    reverting,
    second_factors,
    sessions,
    token_requests,
    tokens,
    usage,
    users,
    verification,
    webhook_deliveries,
    webhooks,
)
from rollbook.actions.arguments import (
    ApplicationCreate,
    ApplicationPatch,
    BulkJobCreate,
    BulkJobResults,
    ChallengeAnswer,
    Credentials,
    EventRevert,
    ExportUsers,
    GroupCreate,
    GroupPatch,
    GroupUpdate,
    ImportOptions,
    ImportReport,
    KeyCreate,
    KeyRotation,
    KeyUpdate,
    ListBulkJobs,
    ListDeliveries,
    ListEvents,
    ListGroups,
    ListImports,
    ListKeys,
    ListReplays,
    ListRequests,
    ListSessions,
    ListWebhooks,
    MembersAdd,
    MemberUpdate,
    PasswordChange,
    PasswordLinkCreate,
    PasswordProof,
    ReadUsage,
    RecoveryCodesCreate,
    ReplayCreate,
    SecondFactorActivation,
    SecondFactorCode,
    SecondFactorCreate,
    SecondFactorProof,
    SessionCreate,
    SessionRefresh,
    SessionVerification,
    StreamEvents,
    TokenConsume,
    TokenCreate,
    TokenRequest,
    UserFilters,
    WebhookCreate,
    WebhookResume,
    WebhookRotation,
    WebhookTest,
    WebhookUpdate,
)
from rollbook.api import bulk as bulk_calls
from rollbook.api import event_stream, operations, show, take
from rollbook.api import exports as export_files
from rollbook.api.route import Route, Special, at, delete, get, patch, post, put
from rollbook.api.types import (
    AddedMembers,
    Bulk,
    BulkJob,
    BulkResults,
    ConsumedToken,
    Count,
    DeleteUser,
    Delivery,
    Event,
    Export,
    Group,
    Health,
    Import,
    Key,
    ListApplications,
    ListMembers,
    ListUsers,
    LoggedRequest,
    Member,
    PasswordLink,
    PublicKeys,
    ReadUser,
    RecoveryCodes,
    Replay,
    RevertedEvent,
    SecondFactor,
    SecondFactors,
    Session,
    SessionTokens,
    ShownFields,
    Token,
    UsageReport,
    User,
    UserCreate,
    UserPatch,
    UserUpdate,
    VerifiedCode,
    VerifiedSession,
    Webhook,
)

TAKEN = (errors.EmailTaken, errors.ExternalIdTaken)
FOUND = (errors.NotFound,)
PROOF = (errors.WrongPassword, errors.TooManyAttempts, errors.Overloaded)
CODE = (errors.WrongCode, errors.TooManyAttempts)
UPDATE = (errors.PreconditionFailed, *TAKEN, errors.LastOwner, errors.NotYourself, *PROOF)
STREAM = (errors.PositionExpired, errors.TooManyStreams)

TABLE: dict[str, list[Route]] = {
    # ---- users
    "/v1/users": [
        get(users.list_users, "users:read", ListUsers, list[User], show.user_page).but(
            errors=FOUND, takes=take.user_page
        ),
        post(users.create, "users:write", UserCreate, User, show.user_created).but(
            success=201, query=ShownFields, errors=(*TAKEN, errors.Overloaded)
        ),
    ],
    "/v1/users/bulk": [
        post(bulk.bulk_users, "users:write", Bulk, BulkResults, bulk_calls.shown).but(
            success=207,
            errors=(errors.BulkRefused, errors.Overloaded),
            takes=bulk_calls.taken,
            special=Special(reads=bulk_calls.read, max_body=bulk_calls.MAX_BODY),
        ),
    ],
    "/v1/users/count": [
        get(users.count_users, "users:read", UserFilters, Count, show.count).but(errors=FOUND, takes=take.filters),
    ],
    "/v1/users/verify-password": [
        post(verification.verify_password, "users:verify", Credentials, User, show.user_listed).but(
            query=ShownFields,
            errors=(
                errors.WrongPassword,
                errors.SecondFactorRequired,
                errors.UserSuspended,
                errors.TooManyAttempts,
                errors.Overloaded,
            ),
            special=Special(replays=False),
        ),
    ],
    "/v1/users/verify-challenge": [
        post(verification.verify_challenge, "users:verify", ChallengeAnswer, User, show.user_listed).but(
            query=ShownFields,
            errors=(errors.InvalidChallenge, *CODE),
            special=Special(replays=False),
        ),
    ],
    "/v1/users/{userId}": [
        get(users.get, "users:read", ReadUser, User, show.user).but(
            self_access="user", errors=(errors.NotInLog,), takes=take.moment
        ),
        put(users.update, "users:write", UserUpdate, User, show.user_updated).but(
            query=ShownFields, self_access="user", errors=UPDATE, takes=take.changes
        ),
        patch(users.update, "users:write", UserPatch, User, show.user_updated).but(
            query=ShownFields, self_access="user", errors=UPDATE, takes=take.changes
        ),
        delete(users.delete, "users:delete").but(
            query=DeleteUser,
            errors=(errors.PreconditionFailed, errors.NotYourself, errors.LastOwner),
            takes=take.deletion,
        ),
    ],
    "/v1/users/{userId}/password": [
        put(passwords.set_password, "users:write", PasswordChange, None, show.nothing).but(
            self_access="user", errors=PROOF
        ),
    ],
    "/v1/users/{userId}/password-link": [
        post(tokens.create_password_link, "users:write", PasswordLinkCreate, PasswordLink, show.password_link).but(
            success=201, errors=(errors.NotYourself,)
        ),
    ],
    "/v1/users/{userId}/tokens": [
        get(tokens.list_tokens, "tokens:create", None, list[Token], show.token_list),
        post(tokens.create_token, "tokens:create", TokenCreate, Token, show.token_created).but(
            success=201, errors=(errors.NotYourself, errors.EmailTaken)
        ),
    ],
    "/v1/users/{userId}/tokens/{tokenId}": [
        delete(tokens.revoke_token, "tokens:create"),
    ],
    "/v1/users/{userId}/second-factors": [
        get(second_factors.list_second_factors, "users:write", None, SecondFactors, show.second_factors).but(
            self_access="user"
        ),
        post(
            second_factors.create_second_factor,
            "users:write",
            SecondFactorCreate,
            SecondFactor,
            show.second_factor_created,
        ).but(
            success=201,
            self_access="user",
            errors=(*CODE, errors.WrongPassword, errors.FactorLimitReached, errors.Overloaded),
            special=Special(replays=False),
        ),
        delete(second_factors.lift_second_factors, "users:write").but(errors=(errors.NotYourself,)),
    ],
    "/v1/users/{userId}/second-factors/verify": [
        post(
            second_factors.verify_second_factor, "users:verify", SecondFactorCode, VerifiedCode, show.verified_code
        ).but(errors=(*CODE, errors.UserSuspended), special=Special(replays=False)),
    ],
    "/v1/users/{userId}/second-factors/{factorId}": [
        get(second_factors.get_second_factor, "users:write", None, SecondFactor, show.second_factor).but(
            self_access="user"
        ),
        delete(second_factors.remove_second_factor, "users:write").but(
            query=SecondFactorProof, self_access="user", errors=(*CODE, errors.LastFactor)
        ),
    ],
    "/v1/users/{userId}/second-factors/{factorId}/activate": [
        post(
            second_factors.activate_second_factor,
            "users:write",
            SecondFactorActivation,
            SecondFactor,
            show.second_factor_activated,
        ).but(self_access="user", errors=(errors.WrongCode,)),
    ],
    "/v1/users/{userId}/recovery-codes": [
        post(
            second_factors.regenerate_recovery_codes,
            "users:write",
            RecoveryCodesCreate,
            RecoveryCodes,
            show.recovery_codes,
        ).but(self_access="user", errors=CODE, special=Special(replays=False)),
    ],
    "/v1/users/{userId}/suspend": [
        post(users.suspend, "users:write", None, User, show.user_updated).but(
            query=ShownFields, errors=(errors.NotYourself, errors.LastOwner), takes=take.nothing
        ),
    ],
    "/v1/users/{userId}/activate": [
        post(users.activate, "users:write", None, User, show.user_updated).but(query=ShownFields, takes=take.nothing),
    ],
    "/v1/users/{userId}/adopt": [
        post(adoption.adopt, "users:write", None, User, show.user_updated).but(
            query=ShownFields, errors=(errors.NotYourself,), takes=take.nothing
        ),
    ],
    "/v1/users/{userId}/restore": [
        post(users.restore, "users:write", None, User, show.user_listed).but(
            query=ShownFields, errors=TAKEN, takes=take.nothing
        ),
    ],
    "/v1/users/{userId}/export": [
        get(users.export, "users:export", None, Export, show.export).but(
            self_access="user", errors=(errors.ExportRunning,)
        ),
    ],
    "/v1/exports": [
        get(exports.export_users, "users:export", ExportUsers, str, export_files.shown).but(
            errors=(errors.NotFound, errors.ExportRunning), takes=export_files.taken
        ),
    ],
    # ---- applications
    "/v1/applications": [
        get(applications.list_applications, "users:read", ListApplications, list[User], show.user_page).but(
            takes=take.application_page
        ),
        post(applications.create, "users:write", ApplicationCreate, User, show.application_created).but(
            success=201, query=ShownFields, errors=(errors.ExternalIdTaken,)
        ),
    ],
    "/v1/applications/{applicationId}": [
        get(applications.get, "users:read", ShownFields, User, show.user).but(self_access="user", takes=take.nothing),
        patch(applications.update, "users:write", ApplicationPatch, User, show.user_updated).but(
            query=ShownFields,
            self_access="user",
            errors=(errors.PreconditionFailed, errors.ExternalIdTaken, errors.NotYourself),
            takes=take.changes,
        ),
        delete(applications.delete, "users:delete").but(
            query=DeleteUser, errors=(errors.PreconditionFailed, errors.NotYourself), takes=take.deletion
        ),
    ],
    # ---- groups
    "/v1/groups": [
        get(groups.list_groups, "groups:read", ListGroups, list[Group], show.group_list).but(errors=FOUND),
        post(groups.create, "groups:write", GroupCreate, Group, show.group_created).but(
            success=201, errors=(errors.ExternalIdTaken, errors.GroupLimitReached)
        ),
    ],
    "/v1/groups/{groupId}": [
        get(groups.get, "groups:read", None, Group, show.group),
        put(groups.update, "groups:write", GroupUpdate, Group, show.group_changed).but(
            errors=(errors.PreconditionFailed, errors.ExternalIdTaken), takes=take.changes
        ),
        patch(groups.update, "groups:write", GroupPatch, Group, show.group_changed).but(
            errors=(errors.PreconditionFailed, errors.ExternalIdTaken), takes=take.changes
        ),
        delete(groups.delete, "groups:write").but(errors=(errors.PreconditionFailed,), takes=take.versions),
    ],
    "/v1/groups/{groupId}/members": [
        get(groups.list_members, "groups:read", ListMembers, list[Member], show.member_list).but(
            takes=take.member_page
        ),
        post(groups.add_members, "groups:write", MembersAdd, AddedMembers, show.members_added).but(
            errors=(errors.GroupLimitReached,), special=Special(max_body=2 << 20)
        ),
    ],
    "/v1/groups/{groupId}/members/{userId}": [
        put(groups.set_member, "groups:write", MemberUpdate, Member, show.member).but(
            errors=(errors.GroupLimitReached,), special=Special(optional_body=True)
        ),
        delete(groups.remove_member, "groups:write"),
    ],
    # ---- one-time tokens
    "/v1/tokens/request": [
        post(token_requests.request_token, "tokens:create", TokenRequest, None, show.accepted).but(success=202),
    ],
    "/v1/tokens/consume": [
        post(tokens.consume_token, "tokens:consume", TokenConsume, ConsumedToken, show.token_consumed).but(
            errors=(
                errors.TokenInvalid,
                errors.EmailTaken,
                errors.SecondFactorRequired,
                errors.WrongCode,
                errors.TooManyAttempts,
                errors.Overloaded,
            ),
            special=Special(replays=False),
        ),
    ],
    # ---- keys and sessions
    "/v1/keys": [
        get(keys.list_keys, "keys:read", ListKeys, list[Key], show.key_list).but(errors=FOUND),
        post(keys.create, "keys:write", KeyCreate, Key, show.key_created).but(
            success=201, errors=(errors.NotFound, errors.KeyLimitReached)
        ),
    ],
    "/v1/keys/{keyId}": [
        get(keys.get, "keys:read", None, Key, show.key),
        patch(keys.update, "keys:write", KeyUpdate, Key, show.key).but(errors=(*PROOF, errors.WrongCode)),
        delete(keys.revoke, "keys:write"),
    ],
    "/v1/keys/{keyId}/reveal": [
        post(keys.reveal, "keys:write", PasswordProof, Key, show.key_revealed).but(
            errors=(*PROOF, errors.WrongCode), special=Special(replays=False)
        ),
    ],
    "/v1/keys/{keyId}/rotate": [
        post(keys.rotate, "keys:write", KeyRotation, Key, show.key_created).but(
            success=201, errors=(errors.KeyLimitReached,)
        ),
    ],
    "/v1/sessions": [
        get(sessions.list_sessions, "sessions:read", ListSessions, list[Session], show.session_list).but(errors=FOUND),
        post(app_sessions.create, "sessions:create", SessionCreate, SessionTokens, show.session_created).but(
            success=201,
            errors=(
                errors.WrongPassword,
                errors.TokenInvalid,
                errors.SecondFactorRequired,
                errors.InvalidChallenge,
                errors.WrongCode,
                errors.UserSuspended,
                errors.TooManyAttempts,
                errors.Overloaded,
            ),
            special=Special(replays=False),
        ),
    ],
    "/v1/sessions/refresh": [
        post(app_sessions.refresh, "sessions:create", SessionRefresh, SessionTokens, show.session_refreshed).but(
            errors=(errors.SessionEnded,)
        ),
    ],
    "/v1/sessions/verify": [
        post(app_sessions.verify, "sessions:verify", SessionVerification, VerifiedSession, show.session_verified).but(
            query=ShownFields,
            errors=(errors.SessionEnded,),
            takes=take.verification,
            special=Special(replays=False),
        ),
    ],
    "/v1/sessions/{sessionId}": [
        delete(sessions.end, "sessions:write"),
    ],
    # ---- webhooks
    "/v1/webhooks": [
        get(webhooks.list_webhooks, "webhooks:read", ListWebhooks, list[Webhook], show.webhook_list).but(errors=FOUND),
        post(webhooks.create, "webhooks:write", WebhookCreate, Webhook, show.webhook_created).but(
            success=201, errors=(errors.WebhookLimitReached,)
        ),
    ],
    "/v1/webhooks/{webhookId}": [
        get(webhooks.get, "webhooks:read", None, Webhook, show.webhook),
        patch(webhooks.update, "webhooks:write", WebhookUpdate, Webhook, show.webhook).but(
            errors=(errors.PreconditionFailed, errors.WebhookLimitReached), takes=take.changes
        ),
        delete(webhooks.delete, "webhooks:write").but(errors=(errors.PreconditionFailed,), takes=take.versions),
    ],
    "/v1/webhooks/{webhookId}/pause": [
        post(webhooks.pause, "webhooks:write", None, Webhook, show.webhook),
    ],
    "/v1/webhooks/{webhookId}/resume": [
        post(webhooks.resume, "webhooks:write", WebhookResume, Webhook, show.webhook).but(
            errors=(errors.PositionExpired,)
        ),
    ],
    "/v1/webhooks/{webhookId}/reveal": [
        post(webhooks.reveal, "webhooks:write", PasswordProof, Webhook, show.webhook).but(
            errors=(*PROOF, errors.WrongCode), special=Special(replays=False)
        ),
    ],
    "/v1/webhooks/{webhookId}/rotate-secret": [
        post(webhooks.rotate_secret, "webhooks:write", WebhookRotation, Webhook, show.webhook),
    ],
    "/v1/webhooks/{webhookId}/test": [
        post(webhook_deliveries.test, "webhooks:write", WebhookTest, Delivery, show.delivery),
    ],
    "/v1/webhooks/{webhookId}/deliveries": [
        get(webhook_deliveries.list_deliveries, "webhooks:read", ListDeliveries, list[Delivery], show.delivery_list),
    ],
    "/v1/webhooks/{webhookId}/deliveries/{deliveryId}": [
        get(webhook_deliveries.get_delivery, "webhooks:read", None, Delivery, show.delivery),
    ],
    "/v1/webhooks/{webhookId}/deliveries/{deliveryId}/resend": [
        post(webhook_deliveries.resend_delivery, "webhooks:write", None, Replay, show.replay_created).but(
            success=201, errors=(errors.ReplayLimitReached,)
        ),
    ],
    "/v1/webhooks/{webhookId}/replays": [
        get(webhook_deliveries.list_replays, "webhooks:read", ListReplays, list[Replay], show.replay_list),
        post(webhook_deliveries.create_replay, "webhooks:write", ReplayCreate, Replay, show.replay_created).but(
            success=201, errors=(errors.PositionExpired, errors.ReplayLimitReached)
        ),
    ],
    "/v1/webhooks/{webhookId}/replays/{replayId}": [
        get(webhook_deliveries.get_replay, "webhooks:read", None, Replay, show.replay),
        delete(webhook_deliveries.cancel_replay, "webhooks:write"),
    ],
    # ---- bulk jobs
    "/v1/bulk-jobs": [
        get(bulk_jobs.list_bulk_jobs, "users:write", ListBulkJobs, list[BulkJob], show.bulk_job_list),
        post(bulk_jobs.create_bulk_job, "users:write", BulkJobCreate, BulkJob, show.bulk_job_created).but(
            success=201,
            errors=(errors.BulkJobLimitReached, errors.NotFound),
            special=Special(max_body=524_288),
        ),
    ],
    "/v1/bulk-jobs/{jobId}": [
        get(bulk_jobs.get_bulk_job, "users:write", None, BulkJob, show.bulk_job),
    ],
    "/v1/bulk-jobs/{jobId}/results": [
        get(bulk_jobs.get_bulk_job_results, "users:write", BulkJobResults, str, show.bulk_job_results),
    ],
    "/v1/bulk-jobs/{jobId}/cancel": [
        post(bulk_jobs.cancel_bulk_job, "users:write", None, BulkJob, show.bulk_job),
    ],
    "/v1/bulk-jobs/{jobId}/undo": [
        post(bulk_jobs.undo_bulk_job, "users:write", None, BulkJob, show.bulk_job_created).but(
            success=201, errors=(errors.BulkJobLimitReached,)
        ),
    ],
    # ---- events and imports
    "/v1/events": [
        get(events.list_events, "events:read", ListEvents, list[Event], show.event_list).but(
            errors=STREAM, takes=take.waiting
        ),
    ],
    "/v1/events/stream": [
        get(events.follow_events, "events:read", StreamEvents, str, event_stream.answer).but(
            errors=STREAM, takes=take.following
        ),
    ],
    "/v1/events/{eventId}": [
        get(events.get, "events:read", None, Event, show.event),
    ],
    "/v1/events/{eventId}/revert": [
        post(reverting.revert, "events:read", EventRevert, RevertedEvent, show.reverted).but(
            errors=(
                errors.NotReversible,
                *TAKEN,
                errors.LastOwner,
                errors.NotYourself,
                errors.GroupLimitReached,
                errors.PreconditionFailed,
            ),
        ),
    ],
    "/v1/imports": [
        get(imports.list_imports, "users:write", ListImports, list[Import], show.import_list),
        post(imports.create, "users:write", None, Import, show.import_created).but(
            success=201,
            query=ImportOptions,
            errors=(errors.ImportLimitReached, errors.StorageUnavailable),
            takes=take.import_file,
            special=Special(streams_body=True, replays=False),
        ),
    ],
    "/v1/imports/{importId}": [
        get(imports.get, "users:write", None, Import, show.import_details),
    ],
    "/v1/imports/{importId}/report": [
        get(imports.report, "users:write", ImportReport, str, show.import_report),
    ],
    "/v1/imports/{importId}/run": [
        post(imports.run, "users:write", None, Import, show.import_created).but(
            success=201, errors=(errors.ImportLimitReached,)
        ),
    ],
    "/v1/imports/{importId}/cancel": [
        post(imports.cancel, "users:write", None, Import, show.import_),
    ],
    # ---- operations
    "/v1/requests": [
        get(usage.list_requests, "requests:read", ListRequests, list[LoggedRequest], show.request_list).but(
            errors=(errors.NotFound, errors.TooManyStreams), takes=take.waiting
        ),
    ],
    "/v1/requests/{requestId}": [
        get(usage.get_request, "requests:read", None, LoggedRequest, show.request),
    ],
    "/v1/usage": [
        get(usage.get_usage, "requests:read", ReadUsage, UsageReport, show.usage).but(errors=FOUND),
    ],
    "/metrics": [get(operations.show_metrics, "metrics:read", None, str)],
    "/health/live": [get(operations.live, None, None, Health)],
    "/health/ready": [get(operations.ready, None, None, Health).but(errors=(errors.Unavailable,))],
    "/.well-known/jwks.json": [get(operations.show_jwks, None, None, PublicKeys)],
    "/openapi.json": [get(operations.show_openapi, None, None, dict).but(errors=(errors.TooManyRequests,))],
}

ROUTES = [at(path, row) for path, rows in TABLE.items() for row in rows]
