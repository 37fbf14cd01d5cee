"""The calls of the API. Generated from openapi.json by `make sdk`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from .._requests import OMIT, Omit, build, segment
from .._responses import json_of, list_of, nothing, one_of, text
from ..types import (
    AddedMembers,
    Application,
    BulkFilter,
    BulkJob,
    BulkOperation,
    BulkResults,
    ConsumedToken,
    Count,
    Delivery,
    Event,
    EventPattern,
    Export,
    Group,
    Health,
    Import,
    Key,
    KeyKind,
    LoggedRequest,
    Member,
    PublicKeys,
    RecoveryCodes,
    Replay,
    ReplayOnly,
    RevertedEvent,
    Role,
    Rule,
    RulePreview,
    Scope,
    SecondFactor,
    SecondFactors,
    Session,
    SessionTokens,
    Status,
    Token,
    UsageReport,
    User,
    UserKind,
    VerifiedCode,
    VerifiedSession,
    Webhook,
    WebhookFormat,
    WebhookPayload,
    WebhookSetStatus,
)
from ..webhooks import verify
from .following import Following
from .importing import Importing, parts
from .lines import Lines
from .pages import Pager
from .raw import raw, raw_page
from .resource import Resource

if TYPE_CHECKING:
    from .client import Rollbook


class GroupsMembers(Resource):
    """`client.groups.members`"""

    def list(self, group_id: str, *, limit: int = 1000) -> Pager[Member]:
        """List the members of a group.

        Returns the members in the order in which the users were added. To search, filter and sort members, use
        `GET /v1/users?group=`.

        Scope: `groups:read`.

        Args:
            group_id: ID of the group.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> for member in client.groups.members.list("group_065n1e8q5o1v3g7m2h9c4t0d6s"):
            ...     print(member.email)
        """
        return self._pages(
            build("GET", f"/v1/groups/{segment(group_id)}/members", query={"limit": limit}), Member, "link"
        )

    def add(
        self,
        group_id: str,
        *,
        members: Sequence[Mapping[str, Any]],
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> AddedMembers:
        """Add members to a group.

        Adds up to 1,000 users: all of them, or none if one can't be added. Members get the role you send.

        Scope: `groups:write`.

        Args:
            group_id: ID of the group.
            members: Up to 1,000 users, each once.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            GroupLimitReached: The user is in 1,000 groups, or the server has 100,000.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> added_members = client.groups.members.add(
            ...     "group_065n1e8q5o1v3g7m2h9c4t0d6s",
            ...     members=[
            ...         {"user_id": "user_065n18a8k1rnhbvqalm9j3ts0c", "role": "lead"},
            ...         {"user_id": "user_065n1610s1svlbjclvt8htp6r0"},
            ...     ],
            ... )
        """
        return self._call(
            build(
                "POST",
                f"/v1/groups/{segment(group_id)}/members",
                query={"dry_run": dry_run},
                body={"members": members},
                idempotency_key=idempotency_key,
            ),
            one_of(AddedMembers),
        )

    def set(
        self, group_id: str, user_id: str, *, role: str | None | Omit = OMIT, dry_run: bool | None = None
    ) -> Member:
        """Add or change a member of a group.

        Adds the user to the group or, if they are a member, changes their role. Also requires the scope
        `groups:read`, since the response names the user.

        Scope: `groups:write`.

        Args:
            group_id: ID of the group.
            user_id: ID of the user, or `me` for the user the API key belongs to.
            role: The user's role in the group: a text of yours, which gives no rights in Rollbook. Default or
                null: an empty text. At most 255 characters.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            GroupLimitReached: The user is in 1,000 groups, or the server has 100,000.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> member = client.groups.members.set(
            ...     "group_065n1e8q5o1v3g7m2h9c4t0d6s", "user_065n18a8k1rnhbvqalm9j3ts0c", role="lead"
            ... )
        """
        return self._call(
            build(
                "PUT",
                f"/v1/groups/{segment(group_id)}/members/{segment(user_id)}",
                query={"dry_run": dry_run},
                body={"role": role},
            ),
            one_of(Member),
        )

    def remove(self, group_id: str, user_id: str, *, dry_run: bool | None = None) -> None:
        """Remove a member from a group.

        The user stays. Fails with 404 if they are no member.

        Scope: `groups:write`.

        Args:
            group_id: ID of the group.
            user_id: ID of the user, or `me` for the user the API key belongs to.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> client.groups.members.remove("group_065n1e8q5o1v3g7m2h9c4t0d6s", "user_065n18a8k1rnhbvqalm9j3ts0c")
        """
        return self._call(
            build("DELETE", f"/v1/groups/{segment(group_id)}/members/{segment(user_id)}", query={"dry_run": dry_run}),
            nothing,
        )

    @property
    def with_raw_response(self) -> GroupsMembersWithRawResponse:
        """Calls that return the response with its headers."""
        return GroupsMembersWithRawResponse(self._client)


class GroupsMembersWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = GroupsMembers(client, raw=True)
        self.list = raw_page(found.list)
        self.add = raw(found.add)
        self.set = raw(found.set)
        self.remove = raw(found.remove)


class UsersSecondFactors(Resource):
    """`client.users.second_factors`"""

    def list(self, user_id: str) -> SecondFactors:
        """List second factors.

        Returns the authenticator apps and passkeys of a user, oldest first, and how many recovery codes are
        left. A factor without `confirmed_at` is not active yet.

        Scope: `users:write`. Members can only access themselves.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> second_factors = client.users.second_factors.list("user_065n18a8k1rnhbvqalm9j3ts0c")
        """
        return self._call(build("GET", f"/v1/users/{segment(user_id)}/second-factors"), one_of(SecondFactors))

    def create(
        self,
        user_id: str,
        *,
        kind: str,
        name: str | Omit = OMIT,
        issuer: str | Omit = OMIT,
        code: str | Omit = OMIT,
        current_password: str | Omit = OMIT,
        dry_run: bool | None = None,
    ) -> SecondFactor:
        """Add an authenticator app.

        Returns the `secret`, and the same as `otpauth_url` for a QR code: show one of them to the user, once.
        The factor is not active until you send a code of the app to `activate`, within an hour. It replaces an
        app that was not activated. For yourself, send a `code` of a factor you have, or else your
        `current_password`. For another user with a role above member, the key needs the scope `users:grant` as
        well.

        Scope: `users:write`. Members can only access themselves.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            kind: The kind of factor. `totp`: an authenticator app.
            name: What the user calls the factor. At most 100 characters.
            issuer: Name of your application, which the app shows beside the code. Default: the setting
                `brand_name`. At most 100 characters.
            code: A code of your authenticator app, or a recovery code. Required to change your own second
                factors with an API key. 6 to 64 characters.
            current_password: Your current password. Required to add your own first factor. At most 256
                characters.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            WrongPassword: The email or the password is wrong.
            WrongCode: Each code works once.
            FactorLimitReached: Remove second factors that are no longer used.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> second_factor = client.users.second_factors.create(
            ...     "user_065n18a8k1rnhbvqalm9j3ts0c", kind="totp", name="Phone", issuer="Acme"
            ... )
            >>> second_factor.id
            'fac_065n1f3k9s1t7b2m5h8c0v4d6g'
        """
        return self._call(
            build(
                "POST",
                f"/v1/users/{segment(user_id)}/second-factors",
                query={"dry_run": dry_run},
                body={"kind": kind, "name": name, "issuer": issuer, "code": code, "current_password": current_password},
            ),
            one_of(SecondFactor),
        )

    def lift(self, user_id: str, *, dry_run: bool | None = None) -> None:
        """Lift the second factors of a user.

        For a user who has lost their device and their recovery codes. Removes all factors and codes, so that
        the password alone signs them in: make sure first that the request comes from them. For a user with a
        role above member, the key needs the scope `users:grant` as well.

        Scope: `users:write`.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            NotYourself: You can't delete or suspend yourself, nor change your own email by SCIM.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> client.users.second_factors.lift("user_065n18a8k1rnhbvqalm9j3ts0c")
        """
        return self._call(
            build("DELETE", f"/v1/users/{segment(user_id)}/second-factors", query={"dry_run": dry_run}), nothing
        )

    def verify(self, user_id: str, *, code: str, address: str | Omit = OMIT) -> VerifiedCode:
        """Verify a code.

        Use this before something sensitive in your own application. Fails with 401 if the code is wrong or was
        used before, or if the user has no second factor. Wrong codes are counted as wrong passwords are. Send
        the `address` of the person.

        Scope: `users:verify`.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            code: A code of the user's authenticator app, or a recovery code. Spaces and hyphens don't matter. 6
                to 64 characters.
            address: The IP address of the person who signs in, as your application sees it. Not that of your
                application or its proxy. 2 to 45 characters.

        Raises:
            WrongCode: Each code works once.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> verified_code = client.users.second_factors.verify("user_065n18a8k1rnhbvqalm9j3ts0c", code="287082")
        """
        return self._call(
            build(
                "POST", f"/v1/users/{segment(user_id)}/second-factors/verify", body={"code": code, "address": address}
            ),
            one_of(VerifiedCode),
        )

    def get(self, user_id: str, factor_id: str) -> SecondFactor:
        """Get a second factor.

        Returns one, without its secret.

        Scope: `users:write`. Members can only access themselves.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            factor_id: ID of the second factor.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> second_factor = client.users.second_factors.get(
            ...     "user_065n18a8k1rnhbvqalm9j3ts0c", "fac_065n1f3k9s1t7b2m5h8c0v4d6g"
            ... )
            >>> second_factor.id
            'fac_065n1f3k9s1t7b2m5h8c0v4d6g'
        """
        return self._call(
            build("GET", f"/v1/users/{segment(user_id)}/second-factors/{segment(factor_id)}"), one_of(SecondFactor)
        )

    def remove(self, user_id: str, factor_id: str, *, code: str | None = None, dry_run: bool | None = None) -> None:
        """Remove a second factor.

        With the last one, the recovery codes end too, and the password alone signs the user in again. For
        yourself, send a `code` of a factor you have. For another user with a role above member, the key needs
        the scope `users:grant` as well.

        Scope: `users:write`. Members can only access themselves.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            factor_id: ID of the second factor.
            code: A code of your authenticator app, or a recovery code. Required to change your own second
                factors with an API key. 6 to 64 characters.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            WrongCode: Each code works once.
            LastFactor: The setting `second_factor_roles` asks your role for a second factor.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> client.users.second_factors.remove(
            ...     "user_065n18a8k1rnhbvqalm9j3ts0c", "fac_065n1f3k9s1t7b2m5h8c0v4d6g"
            ... )
        """
        return self._call(
            build(
                "DELETE",
                f"/v1/users/{segment(user_id)}/second-factors/{segment(factor_id)}",
                query={"code": code, "dry_run": dry_run},
            ),
            nothing,
        )

    def activate(
        self,
        user_id: str,
        factor_id: str,
        *,
        code: str,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> SecondFactor:
        """Activate an authenticator app.

        Send a code that the app shows, as proof that it was set up. From now on, the user's password alone
        doesn't sign them in. With a user's first factor, `recovery_codes` has ten codes, each of which works
        once if they lose it: show them to the user, once.

        Scope: `users:write`. Members can only access themselves.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            factor_id: ID of the second factor.
            code: A code that the app shows. 6 to 64 characters.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            WrongCode: Each code works once.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> second_factor = client.users.second_factors.activate(
            ...     "user_065n18a8k1rnhbvqalm9j3ts0c", "fac_065n1f3k9s1t7b2m5h8c0v4d6g", code="287082"
            ... )
            >>> second_factor.id
            'fac_065n1f3k9s1t7b2m5h8c0v4d6g'
        """
        return self._call(
            build(
                "POST",
                f"/v1/users/{segment(user_id)}/second-factors/{segment(factor_id)}/activate",
                query={"dry_run": dry_run},
                body={"code": code},
                idempotency_key=idempotency_key,
            ),
            one_of(SecondFactor),
        )

    def regenerate_codes(self, user_id: str, *, code: str | Omit = OMIT, dry_run: bool | None = None) -> RecoveryCodes:
        """Create recovery codes.

        Returns ten new ones, once. Those the user had stop working. For yourself, send a `code` of a factor you
        have. For another user with a role above member, the key needs the scope `users:grant` as well.

        Scope: `users:write`. Members can only access themselves.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            code: A code of your authenticator app, or a recovery code. Required to change your own second
                factors with an API key. 6 to 64 characters.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            WrongCode: Each code works once.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> recovery_codes = client.users.second_factors.regenerate_codes("user_065n18a8k1rnhbvqalm9j3ts0c")
        """
        return self._call(
            build(
                "POST", f"/v1/users/{segment(user_id)}/recovery-codes", query={"dry_run": dry_run}, body={"code": code}
            ),
            one_of(RecoveryCodes),
        )

    @property
    def with_raw_response(self) -> UsersSecondFactorsWithRawResponse:
        """Calls that return the response with its headers."""
        return UsersSecondFactorsWithRawResponse(self._client)


class UsersSecondFactorsWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = UsersSecondFactors(client, raw=True)
        self.list = raw(found.list)
        self.create = raw(found.create)
        self.lift = raw(found.lift)
        self.verify = raw(found.verify)
        self.get = raw(found.get)
        self.remove = raw(found.remove)
        self.activate = raw(found.activate)
        self.regenerate_codes = raw(found.regenerate_codes)


class WebhooksDeliveries(Resource):
    """`client.webhooks.deliveries`"""

    def list(
        self,
        webhook_id: str,
        *,
        outcome: str | None = None,
        type: str | None = None,
        user: str | None = None,
        event: str | None = None,
        trigger: str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        before: str | None = None,
        limit: int = 1000,
    ) -> Pager[Delivery]:
        """List deliveries.

        Returns the attempts to deliver events to a webhook, newest first. `outcome` says how each ended,
        `retry_at` when the next attempt is. Deliveries are kept for 14 days (setting `webhook_retention`), at
        most 10,000 for each webhook. Also requires the scope `events:read`.

        Scope: `webhooks:read`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            outcome: Only deliveries with this outcome, or `failed` for all that did not succeed. At most 32
                characters.
            type: Only deliveries of events of this type. At most 64 characters.
            user: Only deliveries of events about this user, or `me`. At most 40 characters.
            event: Only deliveries of this event. At most 40 characters.
            trigger: Only deliveries for this reason. One of `event`, `replay`, `resend`, `test`.
            created_after: Only deliveries from after this RFC 3339 time.
            created_before: Only deliveries from before this RFC 3339 time.
            before: Only deliveries older than the one with this ID. At most 40 characters.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> for delivery in client.webhooks.deliveries.list("webhook_065n1avd4p1q9h2v5c8m3k7r6g"):
            ...     print(delivery.id)
        """
        return self._pages(
            build(
                "GET",
                f"/v1/webhooks/{segment(webhook_id)}/deliveries",
                query={
                    "outcome": outcome,
                    "type": type,
                    "user": user,
                    "event": event,
                    "trigger": trigger,
                    "created_after": created_after,
                    "created_before": created_before,
                    "before": before,
                    "limit": limit,
                },
            ),
            Delivery,
            "link",
        )

    def get(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Get a delivery.

        Returns the delivery with its request and the first 4 KiB of the response. The request is recreated from
        the event log, with the URL and format that the webhook has now. It is null if the event was erased or
        is past its retention.

        Scope: `webhooks:read`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            delivery_id: ID of the delivery.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> delivery = client.webhooks.deliveries.get(
            ...     "webhook_065n1avd4p1q9h2v5c8m3k7r6g", "dlv_065n1p8d3o1k7f2h9v6c4m5r0g"
            ... )
            >>> delivery.id
            'dlv_065n1p8d3o1k7f2h9v6c4m5r0g'
        """
        return self._call(
            build("GET", f"/v1/webhooks/{segment(webhook_id)}/deliveries/{segment(delivery_id)}"), one_of(Delivery)
        )

    def resend(
        self, webhook_id: str, delivery_id: str, *, dry_run: bool | None = None, idempotency_key: str | None = None
    ) -> Replay:
        """Resend a delivery.

        Sends the event again, with the same `webhook-id`, even if it was delivered or the webhook is paused.
        Returns a replay that shows whether it succeeded. A test delivery can't be resent.

        Scope: `webhooks:write`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            delivery_id: ID of the delivery.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            ReplayLimitReached: Resent deliveries count, too.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> replay = client.webhooks.deliveries.resend(
            ...     "webhook_065n1avd4p1q9h2v5c8m3k7r6g", "dlv_065n1p8d3o1k7f2h9v6c4m5r0g"
            ... )
            >>> replay.id
            'replay_065n1q2e4p1l8g3i0u7d5n6s1g'
        """
        return self._call(
            build(
                "POST",
                f"/v1/webhooks/{segment(webhook_id)}/deliveries/{segment(delivery_id)}/resend",
                query={"dry_run": dry_run},
                idempotency_key=idempotency_key,
            ),
            one_of(Replay),
        )

    @property
    def with_raw_response(self) -> WebhooksDeliveriesWithRawResponse:
        """Calls that return the response with its headers."""
        return WebhooksDeliveriesWithRawResponse(self._client)


class WebhooksDeliveriesWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = WebhooksDeliveries(client, raw=True)
        self.list = raw_page(found.list)
        self.get = raw(found.get)
        self.resend = raw(found.resend)


class WebhooksReplays(Resource):
    """`client.webhooks.replays`"""

    def list(self, webhook_id: str, *, before: str | None = None, limit: int = 1000) -> Pager[Replay]:
        """List replays.

        Returns the replays of a webhook, newest first, including resent deliveries.

        Scope: `webhooks:read`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            before: Only replays older than the one with this ID. At most 40 characters.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> for replay in client.webhooks.replays.list("webhook_065n1avd4p1q9h2v5c8m3k7r6g"):
            ...     print(replay.id)
        """
        return self._pages(
            build("GET", f"/v1/webhooks/{segment(webhook_id)}/replays", query={"before": before, "limit": limit}),
            Replay,
            "before",
        )

    def create(
        self,
        webhook_id: str,
        *,
        from_: str,
        to: str | Omit = OMIT,
        types: Sequence[EventPattern] | None | Omit = OMIT,
        user: str | Omit = OMIT,
        only: ReplayOnly | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Replay:
        """Replay events.

        Sends part of the event log to the webhook again, with the same `webhook-id`, even if the webhook is
        paused. New events are sent as usual. A replay continues after a restart; get it to see its progress.
        Events that fail are not retried. At most 5 replays of yours run at a time, and 20 of the server: others
        wait. An inbox is sent the newest 100 events. Also requires the scope `events:read`.

        Scope: `webhooks:write`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            from_: The first event: an RFC 3339 time, an event ID, or `failure` for the first one that failed
                and has not been delivered since. At most 40 characters.
            to: The last event: a time, exclusive, or an event ID. Default: the newest event. At most 40
                characters.
            types: Only events of these types. Default: the types of the webhook. Null: as if it were missing.
            user: Only events about this user, or `me`. At most 40 characters.
            only: `failed`: only events with failed attempts and no successful one. `undelivered`: only events
                without a successful delivery. Default: all.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            ReplayLimitReached: Resent deliveries count, too.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PositionExpired: The events are older than the setting `event_retention`.

        Example:
            >>> replay = client.webhooks.replays.create(
            ...     "webhook_065n1avd4p1q9h2v5c8m3k7r6g",
            ...     from_="2023-10-27T10:00:00Z",
            ...     to="2023-10-27T11:00:00Z",
            ...     only="undelivered",
            ... )
            >>> replay.id
            'replay_065n1q2e4p1l8g3i0u7d5n6s1g'
        """
        return self._call(
            build(
                "POST",
                f"/v1/webhooks/{segment(webhook_id)}/replays",
                query={"dry_run": dry_run},
                body={"from": from_, "to": to, "types": types, "user": user, "only": only},
                idempotency_key=idempotency_key,
            ),
            one_of(Replay),
        )

    def get(self, webhook_id: str, replay_id: str) -> Replay:
        """Get a replay.

        Returns the replay with its progress.

        Scope: `webhooks:read`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            replay_id: ID of the replay.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> replay = client.webhooks.replays.get(
            ...     "webhook_065n1avd4p1q9h2v5c8m3k7r6g", "replay_065n1q2e4p1l8g3i0u7d5n6s1g"
            ... )
            >>> replay.id
            'replay_065n1q2e4p1l8g3i0u7d5n6s1g'
        """
        return self._call(
            build("GET", f"/v1/webhooks/{segment(webhook_id)}/replays/{segment(replay_id)}"), one_of(Replay)
        )

    def cancel(self, webhook_id: str, replay_id: str, *, dry_run: bool | None = None) -> None:
        """Cancel a replay.

        No more of its events are sent. If it has finished already, nothing happens.

        Scope: `webhooks:write`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            replay_id: ID of the replay.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> client.webhooks.replays.cancel(
            ...     "webhook_065n1avd4p1q9h2v5c8m3k7r6g", "replay_065n1q2e4p1l8g3i0u7d5n6s1g"
            ... )
        """
        return self._call(
            build(
                "DELETE", f"/v1/webhooks/{segment(webhook_id)}/replays/{segment(replay_id)}", query={"dry_run": dry_run}
            ),
            nothing,
        )

    @property
    def with_raw_response(self) -> WebhooksReplaysWithRawResponse:
        """Calls that return the response with its headers."""
        return WebhooksReplaysWithRawResponse(self._client)


class WebhooksReplaysWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = WebhooksReplays(client, raw=True)
        self.list = raw_page(found.list)
        self.create = raw(found.create)
        self.get = raw(found.get)
        self.cancel = raw(found.cancel)


class Applications(Resource):
    """`client.applications`"""

    def list(
        self,
        *,
        q: str | None = None,
        status: str | None = None,
        sort: Sequence[str] | None = None,
        limit: int = 1000,
        offset: int | None = None,
        fields: Sequence[str] = ("*",),
        count: str | None = None,
        consistency: str | None = None,
    ) -> Pager[User]:
        """List applications.

        Returns applications in the order in which they were added, with pages as those of `GET /v1/users`,
        which lists them, too.

        Scope: `users:read`.

        Args:
            q: Search: part of a name or email, ignoring case and accents, or the first characters of an ID or
                external ID. One or two characters find words that begin with them and, in Chinese, Japanese,
                Korean and other scripts written without spaces, any place. At most 255 characters.
            status: Only applications with this status. `deleted`: those that were deleted and can be restored,
                newest deletion first. Requires the scope `users:write` as well. One of `active`, `deleted`,
                `invited`, `suspended`.
            sort: `created_at`, `name`, `email`, `last_active_at` or `ends_at`; separate several with commas.
                Prefix with `-` for descending order. Users who were never active come before all others, those
                without an end behind them. One of `created_at`, `-created_at`, `name`, `-name`, `email`,
                `-email`, `last_active_at`, `-last_active_at`, `ends_at`, `-ends_at`.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.
            offset: Number of items to skip. Default: 0.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.
            count: `exact`: return `X-Total-Count` for filtered lists as well.
            consistency: `eventual`: a database standby may answer, and its data may lag. By default, lists
                include every acknowledged change. One of `eventual`, `strong`.

        Example:
            >>> for user in client.applications.list():
            ...     print(user.email)
        """
        return self._pages(
            build(
                "GET",
                "/v1/applications",
                query={
                    "q": q,
                    "status": status,
                    "sort": sort,
                    "limit": limit,
                    "offset": offset,
                    "fields": fields,
                    "count": count,
                    "consistency": consistency,
                },
            ),
            User,
            "link",
        )

    def create(
        self,
        *,
        name: str,
        role: str | Omit = OMIT,
        external_id: str | None | Omit = OMIT,
        metadata: Mapping[str, Any] | None | Omit = OMIT,
        rate_limit: str | None | Omit = OMIT,
        redirect_urls: Sequence[str] | None | Omit = OMIT,
        post_logout_redirect_urls: Sequence[str] | None | Omit = OMIT,
        public_client: bool | Omit = OMIT,
        sign_in_groups: Sequence[str] | None | Omit = OMIT,
        group_claims: str | Omit = OMIT,
        role_claim: bool | Omit = OMIT,
        backchannel_logout_url: str | None | Omit = OMIT,
        fields: Sequence[str] = ("*",),
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> User:
        """Create an application.

        A name is enough: an email is made up, to which nothing can be sent. It has no password and can't sign
        in: create an API key with its ID as `user_id`. For a `role` above member, the key needs the scope
        `users:grant` as well. With `redirect_urls`, people [sign in to it](connect.md): unless it is a
        `public_client`, create a key of the kind `client`, its secret.

        Scope: `users:write`.

        Args:
            name: The user's name, 1 to 255 characters. Surrounding whitespace is removed. No control
                characters, and no invisible ones. At most 255 characters.
            role: The application's role. `member`: Can read and change their own user, API keys and sessions,
                and read the log of their requests. `viewer`: Can read all users, groups, events and rules, and
                have webhooks. Otherwise like a member. `admin`: Full access, except to owners. Default:
                `member`.
            external_id: Your own identifier for the user. Unique. Null removes it. At most 255 characters.
            metadata: A JSON object with your own data, at most 16 KiB. Null: as if it were missing.
            rate_limit: Rate limit, such as `100/minute,5000/hour`, or `none`. Null: the default applies. 4 to
                100 characters.
            redirect_urls: Where people may return to after they signed in. Compared character by character:
                `https`, or `http` on this machine, where the port of `127.0.0.1` and `[::1]` doesn't matter, or
                the scheme of an app, which has a dot. Null: as if it were missing.
            post_logout_redirect_urls: Where people may return to after they signed out. Compared character by
                character: `https`, or `http` on this machine, where the port of `127.0.0.1` and `[::1]` doesn't
                matter, or the scheme of an app, which has a dot. Null: as if it were missing.
            public_client: Whether the application can keep no secret, such as a mobile app or one in the
                browser. It proves with PKCE that a code is its own.
            sign_in_groups: IDs of the groups whose members may sign in. Empty: everyone. Null: as if it were
                missing.
            group_claims: What the scope `groups` tells of each group. Default: `names`. One of `ids`, `names`.
            role_claim: Whether the application learns the role of whoever signs in. Default: false.
            backchannel_logout_url: Where the application hears of sessions that ended (OpenID Connect
                Back-Channel Logout). At most 1,024 characters.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            ExternalIdTaken: To find who has it, call `GET /v1/users?external_id=` or `GET
                /v1/groups?external_id=`.

        Example:
            >>> user = client.applications.create(name="Shop", role="viewer")
            >>> user.id
            'user_065n1c7g8a2e5m9q3t6v0t4u1s'
        """
        return self._call(
            build(
                "POST",
                "/v1/applications",
                query={"fields": fields, "dry_run": dry_run},
                body={
                    "name": name,
                    "role": role,
                    "external_id": external_id,
                    "metadata": metadata,
                    "rate_limit": rate_limit,
                    "redirect_urls": redirect_urls,
                    "post_logout_redirect_urls": post_logout_redirect_urls,
                    "public_client": public_client,
                    "sign_in_groups": sign_in_groups,
                    "group_claims": group_claims,
                    "role_claim": role_claim,
                    "backchannel_logout_url": backchannel_logout_url,
                },
                idempotency_key=idempotency_key,
            ),
            one_of(User),
        )

    def get(self, application_id: str, *, fields: Sequence[str] = ("*",)) -> Application:
        """Get an application.

        Returns all fields. The ID of a person is a 404.

        Scope: `users:read`. Members can only access themselves.

        Args:
            application_id: ID of the application, or `me` for the one the API key belongs to.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> application = client.applications.get("user_065n1c7g8a2e5m9q3t6v0t4u1s")
            >>> application.id
            'user_065n1c7g8a2e5m9q3t6v0t4u1s'
        """
        return self._call(
            build("GET", f"/v1/applications/{segment(application_id)}", query={"fields": fields}), one_of(Application)
        )

    def update(
        self,
        application_id: str,
        *,
        name: str | Omit = OMIT,
        role: str | Omit = OMIT,
        external_id: str | None | Omit = OMIT,
        metadata: Mapping[str, Any] | None | Omit = OMIT,
        rate_limit: str | None | Omit = OMIT,
        redirect_urls: Sequence[str] | None | Omit = OMIT,
        post_logout_redirect_urls: Sequence[str] | None | Omit = OMIT,
        public_client: bool | Omit = OMIT,
        sign_in_groups: Sequence[str] | None | Omit = OMIT,
        group_claims: str | Omit = OMIT,
        role_claim: bool | Omit = OMIT,
        backchannel_logout_url: str | None | Omit = OMIT,
        status: Status | Omit = OMIT,
        fields: Sequence[str] = ("*",),
        dry_run: bool | None = None,
        if_match: str | None = None,
    ) -> User:
        """Update an application.

        Fields you don't send are left unchanged. Metadata is merged, and null removes a key. For the `role`,
        the key needs the scope `users:grant` as well. With `If-Match`, the update only succeeds if the
        application still has that version.

        Scope: `users:write`. Members can only access themselves.

        Args:
            application_id: ID of the application, or `me` for the one the API key belongs to.
            name: The user's name, 1 to 255 characters. Surrounding whitespace is removed. No control
                characters, and no invisible ones. At most 255 characters.
            role: The application's role. `member`: Can read and change their own user, API keys and sessions,
                and read the log of their requests. `viewer`: Can read all users, groups, events and rules, and
                have webhooks. Otherwise like a member. `admin`: Full access, except to owners. Default:
                `member`.
            external_id: Your own identifier for the user. Unique. Null removes it. At most 255 characters.
            metadata: Changes of the metadata (RFC 7396): keys you send are set, those with null are removed,
                objects are merged, and others stay. The result has at most 16 KiB. Null: as if it were missing.
            rate_limit: Rate limit, such as `100/minute,5000/hour`, or `none`. Null: the default applies. 4 to
                100 characters.
            redirect_urls: Where people may return to after they signed in. Compared character by character:
                `https`, or `http` on this machine, where the port of `127.0.0.1` and `[::1]` doesn't matter, or
                the scheme of an app, which has a dot. Null: as if it were missing.
            post_logout_redirect_urls: Where people may return to after they signed out. Compared character by
                character: `https`, or `http` on this machine, where the port of `127.0.0.1` and `[::1]` doesn't
                matter, or the scheme of an app, which has a dot. Null: as if it were missing.
            public_client: Whether the application can keep no secret, such as a mobile app or one in the
                browser. It proves with PKCE that a code is its own.
            sign_in_groups: IDs of the groups whose members may sign in. Empty: everyone. Null: as if it were
                missing.
            group_claims: What the scope `groups` tells of each group. Default: `names`. One of `ids`, `names`.
            role_claim: Whether the application learns the role of whoever signs in. Default: false.
            backchannel_logout_url: Where the application hears of sessions that ended (OpenID Connect
                Back-Channel Logout). At most 1,024 characters.
            status: `invited` users have no password yet, and become `active` when they set one. `suspended`
                users can't sign in or use their API keys until they are activated.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            ExternalIdTaken: To find who has it, call `GET /v1/users?external_id=` or `GET
                /v1/groups?external_id=`.
            NotYourself: You can't delete or suspend yourself, nor change your own email by SCIM.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.

        Example:
            >>> user = client.applications.update(
            ...     "user_065n1c7g8a2e5m9q3t6v0t4u1s", name="Web shop", rate_limit="600/minute"
            ... )
            >>> user.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build(
                "PATCH",
                f"/v1/applications/{segment(application_id)}",
                query={"fields": fields, "dry_run": dry_run},
                body={
                    "name": name,
                    "role": role,
                    "external_id": external_id,
                    "metadata": metadata,
                    "rate_limit": rate_limit,
                    "redirect_urls": redirect_urls,
                    "post_logout_redirect_urls": post_logout_redirect_urls,
                    "public_client": public_client,
                    "sign_in_groups": sign_in_groups,
                    "group_claims": group_claims,
                    "role_claim": role_claim,
                    "backchannel_logout_url": backchannel_logout_url,
                    "status": status,
                },
                headers={"If-Match": if_match},
            ),
            one_of(User),
        )

    def delete(
        self,
        application_id: str,
        *,
        purge: bool | None = None,
        dry_run: bool | None = None,
        if_match: str | None = None,
    ) -> None:
        """Delete an application.

        Its API keys stop working, and its webhooks are disabled. You can restore it for 30 days as every user,
        but not its keys. Owners can send `purge=true`: it erases the application permanently.

        Scope: `users:delete`.

        Args:
            application_id: ID of the application, or `me` for the one the API key belongs to.
            purge: `true`: erase the user permanently, so that they can't be restored. Default: False.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            NotYourself: You can't delete or suspend yourself, nor change your own email by SCIM.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.

        Example:
            >>> client.applications.delete("user_065n1c7g8a2e5m9q3t6v0t4u1s")
        """
        return self._call(
            build(
                "DELETE",
                f"/v1/applications/{segment(application_id)}",
                query={"purge": purge, "dry_run": dry_run},
                headers={"If-Match": if_match},
            ),
            nothing,
        )

    @property
    def with_raw_response(self) -> ApplicationsWithRawResponse:
        """Calls that return the response with its headers."""
        return ApplicationsWithRawResponse(self._client)


class ApplicationsWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Applications(client, raw=True)
        self.list = raw_page(found.list)
        self.create = raw(found.create)
        self.get = raw(found.get)
        self.update = raw(found.update)
        self.delete = raw(found.delete)


class BulkJobs(Resource):
    """`client.bulk_jobs`"""

    def list(self, *, before: str | None = None, limit: int = 1000) -> Pager[BulkJob]:
        """List bulk jobs.

        Returns the bulk jobs of the last 30 days, newest first: at most 1,000, and of 5,000,000 users in all.

        Scope: `users:write`.

        Args:
            before: Only jobs older than the one with this ID. At most 40 characters.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.

        Example:
            >>> for bulk_job in client.bulk_jobs.list():
            ...     print(bulk_job.id)
        """
        return self._pages(build("GET", "/v1/bulk-jobs", query={"before": before, "limit": limit}), BulkJob, "before")

    def create(
        self,
        *,
        action: str,
        filter: BulkFilter | Omit = OMIT,
        ids: Sequence[str] | None | Omit = OMIT,
        role: Role | Omit = OMIT,
        metadata: Mapping[str, Any] | None | Omit = OMIT,
        ends_at: datetime | str | None | Omit = OMIT,
        send: bool | Omit = OMIT,
        redirect_url: str | Omit = OMIT,
        group_id: str | Omit = OMIT,
        confirm_count: int | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> BulkJob:
        """Create a bulk job.

        Changes many users in the background: those in `ids`, or all who match the `filter` now, any number of
        them. Applications are left out unless the filter has `"kind": "application"`. A filter needs the scope
        `users:read` as well. To count them first, call `GET /v1/users/count` with the same filters and a
        `kind`, and send what it says as `confirm_count`. Each user is changed once and by the rules of the
        endpoint that does it alone, with an event of their own; whoever can't be changed is refused, and the
        others are not affected. To see the progress, call `GET /v1/bulk-jobs/{jobId}`. Jobs end when whoever
        created them loses the right to. You can have 10 unfinished jobs, of which one runs at a time.

        Scope: `users:write`.

        Args:
            action: `role` sets the `role`, `metadata` merges the `metadata`, `ends_at` sets the `ends_at`,
                `setup_links` creates a link for each user with which they set their password. `restore` brings
                deleted users back, by their `ids`. `add_to_group` and `remove_from_group` change who is in the
                group `group_id`: members keep their role there, new ones have none. `end_sessions` signs them
                out everywhere. One of `activate`, `add_to_group`, `delete`, `end_sessions`, `ends_at`,
                `metadata`, `remove_from_group`, `restore`, `role`, `setup_links`, `suspend`.
            filter: All users who match these filters of `GET /v1/users`, as they are now; `{}` is all users.
                Without `kind`, only people.
            ids: The users with these IDs. Null: as if it were missing.
            role: For `role`: the new role. One of `member`, `viewer`, `admin`, `owner`.
            metadata: For `metadata`: keys to set, and with null to remove. Null: as if it were missing.
            ends_at: For `ends_at`: the RFC 3339 time at which they are suspended. Null: never.
            send: For `setup_links`: mail each link to its user. Otherwise you get them. Default: `false`.
            redirect_url: For `setup_links`: where users continue once they have set their password. 9 to 1,024
                characters.
            group_id: For `add_to_group` and `remove_from_group`: ID of the group. At most 40 characters.
            confirm_count: How many users you expect. If it is another number, nothing happens.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            BulkJobLimitReached: Jobs that wait for their turn count, too.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> bulk_job = client.bulk_jobs.create(
            ...     action="suspend", filter={"created_before": "2022-01-01T00:00:00Z"}, confirm_count=1204
            ... )
            >>> bulk_job.id
            'job_065n1d2k5m8q3t6u9v2b4f7h1s'
        """
        return self._call(
            build(
                "POST",
                "/v1/bulk-jobs",
                query={"dry_run": dry_run},
                body={
                    "action": action,
                    "filter": filter,
                    "ids": ids,
                    "role": role,
                    "metadata": metadata,
                    "ends_at": ends_at,
                    "send": send,
                    "redirect_url": redirect_url,
                    "group_id": group_id,
                    "confirm_count": confirm_count,
                },
                idempotency_key=idempotency_key,
            ),
            one_of(BulkJob),
        )

    def get(self, job_id: str) -> BulkJob:
        """Get a bulk job.

        Returns the job with its progress: how many of its `total` users are done, and what became of them.

        Scope: `users:write`.

        Args:
            job_id: ID of the bulk job.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> bulk_job = client.bulk_jobs.get("job_065n1d2k5m8q3t6u9v2b4f7h1s")
            >>> bulk_job.id
            'job_065n1d2k5m8q3t6u9v2b4f7h1s'
        """
        return self._call(build("GET", f"/v1/bulk-jobs/{segment(job_id)}"), one_of(BulkJob))

    def results(self, job_id: str, *, result: str | None = None) -> Lines:
        """Get the results of a bulk job.

        Returns a line for each user who is done: whether they were `changed`, `unchanged` or `refused`, and
        why. `name` and `email` are null without the scope `users:read`. For `setup_links`, it has their links
        as well, for one day, and only for whoever created the job, with the same API key.

        Scope: `users:write`.

        Args:
            job_id: ID of the bulk job.
            result: Only users with this result. One of `changed`, `refused`, `unchanged`.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> for line in client.bulk_jobs.results("job_065n1d2k5m8q3t6u9v2b4f7h1s"):
            ...     print(line)
        """
        return self._lines(build("GET", f"/v1/bulk-jobs/{segment(job_id)}/results", query={"result": result}))

    def cancel(self, job_id: str, *, dry_run: bool | None = None, idempotency_key: str | None = None) -> BulkJob:
        """Cancel a bulk job.

        Users who were changed already stay as they are: undo the job to put them back. If it has ended, nothing
        happens. For a job of another user with a role above member, the key needs the scope `users:grant` as
        well.

        Scope: `users:write`.

        Args:
            job_id: ID of the bulk job.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> bulk_job = client.bulk_jobs.cancel("job_065n1d2k5m8q3t6u9v2b4f7h1s")
            >>> bulk_job.id
            'job_065n1d2k5m8q3t6u9v2b4f7h1s'
        """
        return self._call(
            build(
                "POST",
                f"/v1/bulk-jobs/{segment(job_id)}/cancel",
                query={"dry_run": dry_run},
                idempotency_key=idempotency_key,
            ),
            one_of(BulkJob),
        )

    def undo(self, job_id: str, *, dry_run: bool | None = None, idempotency_key: str | None = None) -> BulkJob:
        """Undo a bulk job.

        Creates a job that puts back what this one changed: who was suspended is active or invited again, as
        they were, who was activated is suspended, who was deleted is restored, who got a role gets the one they
        had, keys of the metadata and the end get back their values, who was added to a group leaves it, and who
        was removed is a member again, in the role they had there. Whoever was changed in the same way since is
        left alone, and refused with the code `changed_since` or `not_reversible`. Jobs of other actions can't
        be undone.

        Scope: `users:write`.

        Args:
            job_id: ID of the bulk job.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            BulkJobLimitReached: Jobs that wait for their turn count, too.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> bulk_job = client.bulk_jobs.undo("job_065n1d2k5m8q3t6u9v2b4f7h1s")
            >>> bulk_job.id
            'job_065n1d2k5m8q3t6u9v2b4f7h1s'
        """
        return self._call(
            build(
                "POST",
                f"/v1/bulk-jobs/{segment(job_id)}/undo",
                query={"dry_run": dry_run},
                idempotency_key=idempotency_key,
            ),
            one_of(BulkJob),
        )

    @property
    def with_raw_response(self) -> BulkJobsWithRawResponse:
        """Calls that return the response with its headers."""
        return BulkJobsWithRawResponse(self._client)


class BulkJobsWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = BulkJobs(client, raw=True)
        self.list = raw_page(found.list)
        self.create = raw(found.create)
        self.get = raw(found.get)
        self.cancel = raw(found.cancel)
        self.undo = raw(found.undo)


class Events(Following):
    """`client.events`"""

    def list(
        self,
        *,
        after: str | None = None,
        types: Sequence[str] | None = None,
        user: str | None = None,
        actor: str | None = None,
        address: str | None = None,
        before: str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        order: str | None = None,
        limit: int = 1000,
        wait: int | None = None,
    ) -> Pager[Event]:
        """List events.

        Returns what happened to users, API keys, sessions and webhooks, in the order in which it was committed.
        To follow the event log, pass the ID of the last event you have seen as `after`, or the `Event-Position`
        of an earlier response. An empty list means there is nothing new. A page ends after `limit` events or 1
        MiB, but has at least one event if there are any. Fails with 410 if events after `after` were deleted
        (setting `event_retention`). With `wait`, the server waits up to that many seconds for an event, and
        responds as soon as there is one.

        Scope: `events:read`.

        Args:
            after: Only events after this one: an event ID, or the `Event-Position` of an earlier response. At
                most 40 characters.
            types: Types of events, separated by commas: `user.created`, `user.*` for all of a group, or `*`.
            user: Only events about this user, or `me`. At most 40 characters.
            actor: Only what this user or API key did: the ID of either, or `me`. At most 40 characters.
            address: Only events with this IP address as `actor.address`. `cli`: the command line. `system`: the
                server itself. At most 45 characters.
            before: Only events before this one: an event ID or a position. At most 40 characters.
            created_after: Only events from after this RFC 3339 time.
            created_before: Only events from before this RFC 3339 time.
            order: `asc`: oldest first. `desc`: newest first. Default: asc.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.
            wait: Seconds to wait if there is nothing yet. Only with `order=asc`. 0 to 60. Default: 0.

        Raises:
            PositionExpired: The events are older than the setting `event_retention`.
            TooManyStreams: At most 100 requests can follow the event log, and 10 the request log.

        Example:
            >>> for event in client.events.list():
            ...     print(event.id)
        """
        return self._pages(
            build(
                "GET",
                "/v1/events",
                query={
                    "after": after,
                    "type": types,
                    "user": user,
                    "actor": actor,
                    "address": address,
                    "before": before,
                    "created_after": created_after,
                    "created_before": created_before,
                    "order": order,
                    "limit": limit,
                    "wait": wait,
                },
            ),
            Event,
            "link",
        )

    def get(self, event_id: str) -> Event:
        """Get an event.

        Returns the event as it is in lists. Fails with 404 if it is older than the setting `event_retention`.

        Scope: `events:read`.

        Args:
            event_id: ID of the event.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> event = client.events.get("evt_065n1ijrg1t7ne57u1m417e15k")
            >>> event.id
            'evt_065n1ijrg1t7ne57u1m417e15k'
        """
        return self._call(build("GET", f"/v1/events/{segment(event_id)}"), one_of(Event))

    def revert(
        self,
        event_id: str,
        *,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
    ) -> RevertedEvent:
        """Revert an event.

        Puts the fields back that the event changed, and restores a user who was deleted. Fields that have
        changed since stay as they are, and are named. This needs the same permissions as making the change
        yourself, and is recorded as an event of its own. Fails with 409 if nothing can be put back: passwords,
        API keys that were revoked and users who were erased can't be.

        Scope: `events:read`.

        Args:
            event_id: ID of the event.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            EmailTaken: Emails ignore case, but plus tags and dots matter.
            ExternalIdTaken: To find who has it, call `GET /v1/users?external_id=` or `GET
                /v1/groups?external_id=`.
            LastOwner: The last active owner can't be deleted, suspended or given a lower role.
            GroupLimitReached: The user is in 1,000 groups, or the server has 100,000.
            NotYourself: You can't delete or suspend yourself, nor change your own email by SCIM.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            NotReversible: The event is of a type that can't be undone, or all of it has changed since.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.

        Example:
            >>> reverted_event = client.events.revert("evt_065n1ijrg1t7ne57u1m417e15k")
            >>> reverted_event.id
            'evt_065n1ijrg1t7ne57u1m417e15k'
        """
        return self._call(
            build(
                "POST",
                f"/v1/events/{segment(event_id)}/revert",
                query={"dry_run": dry_run},
                idempotency_key=idempotency_key,
                headers={"If-Match": if_match},
            ),
            one_of(RevertedEvent),
        )

    @property
    def with_raw_response(self) -> EventsWithRawResponse:
        """Calls that return the response with its headers."""
        return EventsWithRawResponse(self._client)


class EventsWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Events(client, raw=True)
        self.list = raw_page(found.list)
        self.get = raw(found.get)
        self.revert = raw(found.revert)


class Exports(Resource):
    """`client.exports`"""

    def users(
        self,
        *,
        email: str | None = None,
        external_id: str | None = None,
        ids: Sequence[str] | None = None,
        role: Role | None = None,
        status: Status | None = None,
        kind: UserKind | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        q: str | None = None,
        metadata: Mapping[str, str] | None = None,
        group: str | None = None,
        active_after: str | None = None,
        active_before: str | None = None,
        ends_after: datetime | str | None = None,
        ends_before: datetime | str | None = None,
        email_verified: bool | None = None,
        second_factor: bool | None = None,
        status_since_before: datetime | str | None = None,
    ) -> Lines:
        """Export users.

        Returns a snapshot of all users, or of those that match the filters, in the order in which they were
        added and with all fields. If you import it, you get the same users in the same order, with the same
        times. Follow the event log from its `Event-Position`. The export contains no API keys, sessions or
        password hashes; on the server's machine, `rollbook users export --with-hashes` includes the hashes. You
        can run one export at a time.

        Scope: `users:export`.

        Args:
            email: Only the user with this email, ignoring case. At most 254 characters.
            external_id: Only the user with this external ID. At most 255 characters.
            ids: Up to 200 IDs, separated by commas.
            role: Only users with this role. One of `member`, `viewer`, `admin`, `owner`.
            status: Only users with this status. One of `active`, `invited`, `suspended`.
            kind: Only users of this kind. One of `person`, `application`.
            created_after: Only users created after this RFC 3339 time.
            created_before: Only users created before this RFC 3339 time.
            q: Search: part of a name or email, ignoring case and accents, or the first characters of an ID or
                external ID. One or two characters find words that begin with them and, in Chinese, Japanese,
                Korean and other scripts written without spaces, any place. At most 255 characters.
            metadata: Only users with these values in their metadata, up to 10. Compares texts, numbers,
                booleans and null at the top level as text, such as `pro`, `1`, `0.5`, `true` or `null`.
            group: Only members of the group with this ID. Requires the scope `groups:read` as well. At most 40
                characters.
            active_after: Only users last active after this RFC 3339 time. `never`: all who ever were. At most
                40 characters.
            active_before: Only users last active before this RFC 3339 time. `never`: only those who never were.
                At most 40 characters.
            ends_after: Only users whose `ends_at` is after this RFC 3339 time.
            ends_before: Only users whose `ends_at` is before this RFC 3339 time.
            email_verified: Whether the email of the users is verified.
            second_factor: Whether the users have a second factor.
            status_since_before: Only users who got their present `status` before this RFC 3339 time.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            ExportRunning: Read the first one to its end, or close its connection.

        Example:
            >>> for line in client.exports.users():
            ...     print(line)
        """
        return self._lines(
            build(
                "GET",
                "/v1/exports",
                query={
                    "email": email,
                    "external_id": external_id,
                    "ids": ids,
                    "role": role,
                    "status": status,
                    "kind": kind,
                    "created_after": created_after,
                    "created_before": created_before,
                    "q": q,
                    "metadata": metadata,
                    "group": group,
                    "active_after": active_after,
                    "active_before": active_before,
                    "ends_after": ends_after,
                    "ends_before": ends_before,
                    "email_verified": email_verified,
                    "second_factor": second_factor,
                    "status_since_before": status_since_before,
                },
            )
        )


class Groups(Resource):
    """`client.groups`"""

    @property
    def members(self) -> GroupsMembers:
        return GroupsMembers(self._client)

    def list(
        self,
        *,
        q: str | None = None,
        name: str | None = None,
        external_id: str | None = None,
        user: str | None = None,
        sort: str | None = None,
        limit: int = 1000,
        offset: int | None = None,
    ) -> Pager[Group]:
        """List groups.

        Returns groups, oldest first, or sorted by name. Pass `user` for those of one user: each then has their
        `role`.

        Scope: `groups:read`.

        Args:
            q: Search: part of the name, ignoring case and accents. At most 255 characters.
            name: Only groups with this name, ignoring case. At most 255 characters.
            external_id: Only the group with this external ID. At most 255 characters.
            user: Only groups of this user, with their `role` there. At most 40 characters.
            sort: How to sort them. Prefix with `-` for descending order. One of `-created_at`, `-name`,
                `created_at`, `name`. Default: created_at.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.
            offset: Number of items to skip. Default: 0.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> for group in client.groups.list():
            ...     print(group.id)
        """
        return self._pages(
            build(
                "GET",
                "/v1/groups",
                query={
                    "q": q,
                    "name": name,
                    "external_id": external_id,
                    "user": user,
                    "sort": sort,
                    "limit": limit,
                    "offset": offset,
                },
            ),
            Group,
            "offset",
        )

    def create(
        self,
        *,
        name: str,
        external_id: str | None | Omit = OMIT,
        metadata: Mapping[str, Any] | None | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Group:
        """Create a group.

        Names need not be unique; an `external_id` is. The group has no members yet.

        Scope: `groups:write`.

        Args:
            name: The group's name, 1 to 255 characters. Need not be unique. Surrounding whitespace is removed.
                No control characters, and no invisible ones. At most 255 characters.
            external_id: Your own identifier for the group. Unique among groups. Null removes it. At most 255
                characters.
            metadata: A JSON object with your own data, at most 16 KiB. Null: as if it were missing.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            ExternalIdTaken: To find who has it, call `GET /v1/users?external_id=` or `GET
                /v1/groups?external_id=`.
            GroupLimitReached: The user is in 1,000 groups, or the server has 100,000.

        Example:
            >>> group = client.groups.create(
            ...     name="Engineering", external_id="team-7", metadata={"cost_center": "4711"}
            ... )
            >>> group.id
            'group_065n1e8q5o1v3g7m2h9c4t0d6s'
        """
        return self._call(
            build(
                "POST",
                "/v1/groups",
                query={"dry_run": dry_run},
                body={"name": name, "external_id": external_id, "metadata": metadata},
                idempotency_key=idempotency_key,
            ),
            one_of(Group),
        )

    def get(self, group_id: str) -> Group:
        """Get a group.

        Returns the group with the number of its members. The `ETag` changes with the group and with its
        members: send it as `If-None-Match` to read the group only if it has changed, or as `If-Match` with an
        update.

        Scope: `groups:read`.

        Args:
            group_id: ID of the group.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> group = client.groups.get("group_065n1e8q5o1v3g7m2h9c4t0d6s")
            >>> group.id
            'group_065n1e8q5o1v3g7m2h9c4t0d6s'
        """
        return self._call(build("GET", f"/v1/groups/{segment(group_id)}"), one_of(Group))

    def put(
        self,
        group_id: str,
        *,
        name: str | Omit = OMIT,
        external_id: str | None | Omit = OMIT,
        metadata: Mapping[str, Any] | None | Omit = OMIT,
        dry_run: bool | None = None,
        if_match: str | None = None,
    ) -> Group:
        """Update a group.

        Fields you don't send are left unchanged. `PUT` replaces the `metadata`; `PATCH` merges it, and null
        removes a key. With `If-Match`, the update only succeeds if the group still has that version.

        Scope: `groups:write`.

        Args:
            group_id: ID of the group.
            name: The group's name, 1 to 255 characters. Need not be unique. Surrounding whitespace is removed.
                No control characters, and no invisible ones. At most 255 characters.
            external_id: Your own identifier for the group. Unique among groups. Null removes it. At most 255
                characters.
            metadata: A JSON object with your own data, at most 16 KiB. Null: as if it were missing.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            ExternalIdTaken: To find who has it, call `GET /v1/users?external_id=` or `GET
                /v1/groups?external_id=`.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.

        Example:
            >>> group = client.groups.put("group_065n1e8q5o1v3g7m2h9c4t0d6s", name="Engineering")
            >>> group.id
            'group_065n1e8q5o1v3g7m2h9c4t0d6s'
        """
        return self._call(
            build(
                "PUT",
                f"/v1/groups/{segment(group_id)}",
                query={"dry_run": dry_run},
                body={"name": name, "external_id": external_id, "metadata": metadata},
                headers={"If-Match": if_match},
            ),
            one_of(Group),
        )

    def update(
        self,
        group_id: str,
        *,
        name: str | Omit = OMIT,
        external_id: str | None | Omit = OMIT,
        metadata: Mapping[str, Any] | None | Omit = OMIT,
        dry_run: bool | None = None,
        if_match: str | None = None,
    ) -> Group:
        """Update a group.

        Fields you don't send are left unchanged. `PUT` replaces the `metadata`; `PATCH` merges it, and null
        removes a key. With `If-Match`, the update only succeeds if the group still has that version.

        Scope: `groups:write`.

        Args:
            group_id: ID of the group.
            name: The group's name, 1 to 255 characters. Need not be unique. Surrounding whitespace is removed.
                No control characters, and no invisible ones. At most 255 characters.
            external_id: Your own identifier for the group. Unique among groups. Null removes it. At most 255
                characters.
            metadata: Changes of the metadata (RFC 7396): keys you send are set, those with null are removed,
                objects are merged, and others stay. The result has at most 16 KiB. Null: as if it were missing.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            ExternalIdTaken: To find who has it, call `GET /v1/users?external_id=` or `GET
                /v1/groups?external_id=`.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.

        Example:
            >>> group = client.groups.update("group_065n1e8q5o1v3g7m2h9c4t0d6s", metadata={"cost_center": "4712"})
            >>> group.id
            'group_065n1e8q5o1v3g7m2h9c4t0d6s'
        """
        return self._call(
            build(
                "PATCH",
                f"/v1/groups/{segment(group_id)}",
                query={"dry_run": dry_run},
                body={"name": name, "external_id": external_id, "metadata": metadata},
                headers={"If-Match": if_match},
            ),
            one_of(Group),
        )

    def delete(self, group_id: str, *, dry_run: bool | None = None, if_match: str | None = None) -> None:
        """Delete a group.

        Its members stay users. This can't be undone.

        Scope: `groups:write`.

        Args:
            group_id: ID of the group.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.

        Example:
            >>> client.groups.delete("group_065n1e8q5o1v3g7m2h9c4t0d6s")
        """
        return self._call(
            build(
                "DELETE", f"/v1/groups/{segment(group_id)}", query={"dry_run": dry_run}, headers={"If-Match": if_match}
            ),
            nothing,
        )

    @property
    def with_raw_response(self) -> GroupsWithRawResponse:
        """Calls that return the response with its headers."""
        return GroupsWithRawResponse(self._client)


class GroupsWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Groups(client, raw=True)
        self.list = raw_page(found.list)
        self.create = raw(found.create)
        self.get = raw(found.get)
        self.put = raw(found.put)
        self.update = raw(found.update)
        self.delete = raw(found.delete)


class Imports(Importing):
    """`client.imports`"""

    def list(self, *, before: str | None = None, limit: int = 1000) -> Pager[Import]:
        """List imports.

        Returns the imports of the last 30 days, newest first: at most 1,000, and 1,000,000 refused records in
        all.

        Scope: `users:write`.

        Args:
            before: Only imports older than the one with this ID. At most 40 characters.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.

        Example:
            >>> for job in client.imports.list():
            ...     print(job.id)
        """
        return self._pages(build("GET", "/v1/imports", query={"before": before, "limit": limit}), Import, "before")

    def create(
        self,
        file: str | os.PathLike[str] | BinaryIO | bytes,
        *,
        source: str | None = None,
        format: str | None = None,
        match: str | None = None,
        on_conflict: str | None = None,
        unknown_hashes: str | None = None,
        dry_run: bool | None = None,
        events: str | None = None,
        adopt: bool | None = None,
        absent: str | None = None,
        absent_group: str | None = None,
        absent_metadata: str | None = None,
        mapping: str | None = None,
        delimiter: str | None = None,
    ) -> Import:
        """Import users.

        The body is the file: NDJSON, a JSON array or CSV, optionally compressed with gzip or zstd. The server
        responds when it has stored the file, and then imports the users in the background, even after a
        restart. To see the progress, call `GET /v1/imports/{importId}`. For users with a role above member, the
        key also needs the scope `users:grant`, and for password hashes `users:import`. You can have 10
        unfinished imports.

        Scope: `users:write`.

        Args:
            file: A path, an open binary file, or bytes. Sent once, in parts.
            source: The system that the file was exported from. One of `appwrite`, `aspnet-identity`, `auth0`,
                `better-auth`, `clerk`, `cognito`, `devise`, `django`, `drupal`, `entra`, `fastapi-users`,
                `firebase`, `fusionauth`, `keycloak`, `kratos`, `laravel`, `logto`, `nextauth`, `okta`,
                `pocketbase`, `rollbook`, `spring-security`, `supabase`, `supertokens`, `wordpress`, `zitadel`.
                Default: rollbook.
            format: The file's format. `auto`: detected, as is compression with gzip or zstd. One of `auto`,
                `csv`, `json`, `ndjson`. Default: auto.
            match: How users who exist are recognized. One of `email`, `external_id`. Default: email.
            on_conflict: What happens to users who exist already. `skip`: nothing. `update`: their fields are
                set to those of the file. `fail`: the report names them. Default: skip.
            unknown_hashes: What happens to users whose password hash is in no format that Rollbook knows.
                `refuse`: they are refused. `skip`: they are imported without a password, and the report names
                them, so that you can send them a link to set one. Default: refuse.
            dry_run: `true`: do the same work and report on it, but change nothing. Default: False.
            events: `each`: record `user.created` and `user.updated` for each user. `summary`: record
                `import.finished`, and changes of users who exist to anything but their name, metadata and
                external ID. Default: each.
            adopt: `true`: with `on_conflict` `update`, take over users who have not verified their email and
                have a password, second factor or API key of their own. Ends those, with their sessions and
                links. `false`: such users are refused, since they may be someone else. Default: False.
            absent: What happens to people of `absent_group`, or with `absent_metadata`, who are not in the
                file. `report`: the report names them. `suspend`: a bulk job suspends them as well, unless they
                are too many. One of `ignore`, `report`, `suspend`. Default: ignore.
            absent_group: For `absent`: ID of the group that the file has all of. At most 40 characters.
            absent_metadata: For `absent`: a key and value in the metadata of everyone whom the file has. At
                most 511 characters.
            mapping: A JSON object from the columns of a CSV file to fields, such as `{"Mail": "email", "Plan":
                "metadata.plan", "Notes": null}`. `metadata.plan` puts a column into the metadata, null ignores
                it. Default: columns that are named like fields. 2 to 8,192 characters.
            delimiter: The character between the columns of a CSV file. Default: detected. At most 1 characters.

        Raises:
            ImportLimitReached: Imports that wait for their turn count, too.

        Example:
            >>> job = client.imports.create("users.csv")
            >>> job.id
            'imp_065n1c7m8h1u9f3s6d2q5b8k4g'
        """
        return self._call(
            build(
                "POST",
                "/v1/imports",
                query={
                    "source": source,
                    "format": format,
                    "match": match,
                    "on_conflict": on_conflict,
                    "unknown_hashes": unknown_hashes,
                    "dry_run": dry_run,
                    "events": events,
                    "adopt": adopt,
                    "absent": absent,
                    "absent_group": absent_group,
                    "absent_metadata": absent_metadata,
                    "mapping": mapping,
                    "delimiter": delimiter,
                },
                content=parts(file),
                headers={"Content-Type": "application/octet-stream"},
            ),
            one_of(Import),
        )

    def get(self, import_id: str) -> Import:
        """Get an import.

        Returns the import with its progress: `records` of about `records_expected`, and how many of them were
        added, updated, skipped and refused so far. With the key that it was requested with, also what becomes
        of each column of the file (`columns`).

        Scope: `users:write`.

        Args:
            import_id: ID of the import.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> job = client.imports.get("imp_065n1c7m8h1u9f3s6d2q5b8k4g")
            >>> job.id
            'imp_065n1c7m8h1u9f3s6d2q5b8k4g'
        """
        return self._call(build("GET", f"/v1/imports/{segment(import_id)}"), one_of(Import))

    def report(self, import_id: str) -> Lines:
        """Get the report of an import.

        Returns the records that were refused so far, each with its line, field, code and reason, and the users
        who were imported without a password, each with their `user_id`: at most 100,000 in all.

        Scope: `users:write`.

        Args:
            import_id: ID of the import.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> for line in client.imports.report("imp_065n1c7m8h1u9f3s6d2q5b8k4g"):
            ...     print(line)
        """
        return self._lines(build("GET", f"/v1/imports/{segment(import_id)}/report"))

    def run_tested(self, import_id: str, *, dry_run: bool | None = None, idempotency_key: str | None = None) -> Import:
        """Import the file of a dry run.

        Imports exactly what was tested: the same file with the same options and columns. The server keeps the
        file of a dry run for a week, encrypted, up to 1 GiB in all, until it is imported. Only the key that
        requested the dry run can do this, or the person who did.

        Scope: `users:write`.

        Args:
            import_id: ID of the import.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            ImportLimitReached: Imports that wait for their turn count, too.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> job = client.imports.run_tested("imp_065n1c7m8h1u9f3s6d2q5b8k4g")
            >>> job.id
            'imp_065n1c7m8h1u9f3s6d2q5b8k4g'
        """
        return self._call(
            build(
                "POST",
                f"/v1/imports/{segment(import_id)}/run",
                query={"dry_run": dry_run},
                idempotency_key=idempotency_key,
            ),
            one_of(Import),
        )

    def cancel(self, import_id: str, *, dry_run: bool | None = None, idempotency_key: str | None = None) -> Import:
        """Cancel an import.

        Users who were imported already stay. If the import has finished, nothing happens. For an import of
        another user with a role above member, the key needs the scope `users:grant` as well.

        Scope: `users:write`.

        Args:
            import_id: ID of the import.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> job = client.imports.cancel("imp_065n1c7m8h1u9f3s6d2q5b8k4g")
            >>> job.id
            'imp_065n1c7m8h1u9f3s6d2q5b8k4g'
        """
        return self._call(
            build(
                "POST",
                f"/v1/imports/{segment(import_id)}/cancel",
                query={"dry_run": dry_run},
                idempotency_key=idempotency_key,
            ),
            one_of(Import),
        )

    def suspend_absent(
        self, import_id: str, *, confirm_count: int, dry_run: bool | None = None, idempotency_key: str | None = None
    ) -> BulkJob:
        """Suspend who is absent.

        Creates a bulk job that suspends the people whom an import has reported as absent from its file: with
        `absent` `report`, or with `suspend` if they were so many that it waits until someone approves. Who is
        suspended by now, or no longer one of those whom the file should have, is left out, as are owners and
        you. Also requires the scope `users:read`. To put it back, undo the job. Not possible once a newer file
        for the same group or metadata was imported.

        Scope: `users:write`.

        Args:
            import_id: ID of the import.
            confirm_count: The import's `absent_users`. If it is another number, nothing happens.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            BulkJobLimitReached: Jobs that wait for their turn count, too.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> bulk_job = client.imports.suspend_absent("imp_065n1c7m8h1u9f3s6d2q5b8k4g", confirm_count=1204)
            >>> bulk_job.id
            'job_065n1d2k5m8q3t6u9v2b4f7h1s'
        """
        return self._call(
            build(
                "POST",
                f"/v1/imports/{segment(import_id)}/suspend",
                query={"dry_run": dry_run},
                body={"confirm_count": confirm_count},
                idempotency_key=idempotency_key,
            ),
            one_of(BulkJob),
        )

    def undo(self, import_id: str, *, dry_run: bool | None = None, idempotency_key: str | None = None) -> BulkJob:
        """Undo an import.

        Creates a bulk job that puts back what the import did: users whom it added are deleted, and can be
        restored; users whom it changed get back what they had, and leave the groups it added them to. Whoever
        was changed since is left alone, and refused with the code `changed_since`; passwords that the import
        set can't be put back, and those users are refused with `not_reversible`. Works for imports with an
        event for each user, as long as the event log has them. If it added users, the key needs the scope
        `users:delete` as well.

        Scope: `users:write`.

        Args:
            import_id: ID of the import.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            BulkJobLimitReached: Jobs that wait for their turn count, too.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> bulk_job = client.imports.undo("imp_065n1c7m8h1u9f3s6d2q5b8k4g")
            >>> bulk_job.id
            'job_065n1d2k5m8q3t6u9v2b4f7h1s'
        """
        return self._call(
            build(
                "POST",
                f"/v1/imports/{segment(import_id)}/undo",
                query={"dry_run": dry_run},
                idempotency_key=idempotency_key,
            ),
            one_of(BulkJob),
        )

    @property
    def with_raw_response(self) -> ImportsWithRawResponse:
        """Calls that return the response with its headers."""
        return ImportsWithRawResponse(self._client)


class ImportsWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Imports(client, raw=True)
        self.list = raw_page(found.list)
        self.create = raw(found.create)
        self.get = raw(found.get)
        self.run_tested = raw(found.run_tested)
        self.cancel = raw(found.cancel)
        self.suspend_absent = raw(found.suspend_absent)
        self.undo = raw(found.undo)


class Keys(Resource):
    """`client.keys`"""

    def list(
        self,
        *,
        user: str | None = None,
        q: str | None = None,
        prefix: str | None = None,
        scope: Scope | None = None,
        unused_since: datetime | str | None = None,
        expires_before: datetime | str | None = None,
        created_by: str | None = None,
        sort: str | None = None,
        limit: int = 1000,
        offset: int | None = None,
    ) -> Pager[Key]:
        """List API keys.

        Returns your own keys, oldest first, without the secrets. Admins can pass another `user`, or `all` for
        the keys of the whole server. With `q`, or with another order of one user's keys, of those that were
        revoked or have expired only the newest 10,000 are looked at.

        Scope: `keys:read`. Members can only access their own keys.

        Args:
            user: ID of the user whose keys to list. Default: yourself. `all`: all users, each key with the
                name, email and kind of its user. Requires the scope `users:read` as well. At most 40
                characters.
            q: Search: part of the name, ignoring case and accents, or the beginning of the ID or of the key.
                Only among the keys of one user, without the filters below. At most 255 characters.
            prefix: Only keys whose ID or text begins like this: the first 8 characters count. Or a key as lists
                show it, `rbk_Exam…TtmI`. At most 64 characters.
            scope: Only keys that can use this scope: their own, or all that the user's role has. One of
                `users:read`, `users:write`, `users:grant`, `users:import`, `users:delete`, `users:verify`,
                `users:export`, `users:impersonate`, `groups:read`, `groups:write`, `tokens:create`,
                `tokens:consume`, `keys:read`, `keys:write`, `sessions:read`, `sessions:write`,
                `sessions:create`, `sessions:verify`, `events:read`, `requests:read`, `webhooks:read`,
                `webhooks:write`, `rules:read`, `rules:write`, `metrics:read`.
            unused_since: Only keys that work, were created before this RFC 3339 time, and have not been used
                from then on.
            expires_before: Only keys that work, and expire before this RFC 3339 time.
            created_by: Only keys that go back to this user, or `me`: created by them, or with a key that goes
                back to them. At most 40 characters.
            sort: Order. Prefix with `-` for descending order. Keys that were never used are used the longest
                ago. One of `-created_at`, `-last_used_at`, `-name`, `created_at`, `last_used_at`, `name`.
                Default: created_at.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.
            offset: Number of items to skip. Default: 0.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> for key in client.keys.list():
            ...     print(key.id)
        """
        return self._pages(
            build(
                "GET",
                "/v1/keys",
                query={
                    "user": user,
                    "q": q,
                    "prefix": prefix,
                    "scope": scope,
                    "unused_since": unused_since,
                    "expires_before": expires_before,
                    "created_by": created_by,
                    "sort": sort,
                    "limit": limit,
                    "offset": offset,
                },
            ),
            Key,
            "link",
        )

    def create(
        self,
        *,
        name: str,
        user_id: str | Omit = OMIT,
        kind: KeyKind | Omit = OMIT,
        scopes: Sequence[Scope] | None | Omit = OMIT,
        expires_at: datetime | str | None | Omit = OMIT,
        ip_allow: Sequence[str] | None | Omit = OMIT,
        rate_limit: str | None | Omit = OMIT,
        audiences: Sequence[str] | None | Omit = OMIT,
        revealable: bool | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Key:
        """Create an API key.

        Returns the key in full. A key can't create a key with more permissions or a later expiry than its own.

        Scope: `keys:write`. Members can only access their own keys.

        Args:
            name: What you use the key for. At most 100 characters.
            user_id: ID of the user the key belongs to. Default: yourself. At most 40 characters.
            kind: Where the key works. `api`: For your applications and scripts, under `/v1`. `scim`: For an
                identity provider, only under `/scim/v2`. Its user must be an admin or owner, it counts toward
                the setting `scim_limit`, and its scopes are by default those of users and groups. `assistant`:
                For an assistant that signed in, only at `/mcp`. `client`: The secret of an application that
                people sign in to, only at `/oauth2/token` and `/oauth2/revoke`. It has no scopes. Default:
                `"api"`.
            scopes: The scopes of the key. Default or null: everything its user can do.
            expires_at: When the key expires, an RFC 3339 time in the future. Default or null: never, or when
                the creating key expires, and no later than the setting `key_max_age` allows.
            ip_allow: IP addresses and networks that can use the key. Default or null: any.
            rate_limit: Rate limit, such as `100/minute,5000/hour`, or `none`. Null: the default applies. 4 to
                100 characters.
            audiences: The audiences for which the key creates, refreshes, verifies, lists and ends sessions.
                Default or null: any, or of an application, its ID.
            revealable: Whether the key can be revealed again. Default: `true`.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            KeyLimitReached: Revoke keys that are no longer used.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> key = client.keys.create(
            ...     name="billing service",
            ...     scopes=["users:read"],
            ...     ip_allow=["203.0.113.0/24"],
            ...     rate_limit="50/minute",
            ... )
            >>> key.key
            'rbk_ExampleExampleExampleExampleOnly1gTtmI'
        """
        return self._call(
            build(
                "POST",
                "/v1/keys",
                query={"dry_run": dry_run},
                body={
                    "name": name,
                    "user_id": user_id,
                    "kind": kind,
                    "scopes": scopes,
                    "expires_at": expires_at,
                    "ip_allow": ip_allow,
                    "rate_limit": rate_limit,
                    "audiences": audiences,
                    "revealable": revealable,
                },
                idempotency_key=idempotency_key,
            ),
            one_of(Key),
        )

    def get(self, key_id: str) -> Key:
        """Get an API key.

        Returns the key without the secret. Use `current` as the ID for the key that sends the request.

        Scope: `keys:read`. Members can only access their own keys.

        Args:
            key_id: ID of the API key, or `current` for the key that sends the request.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> key = client.keys.get("key_065n19esg1vsvaetc6pc73vuso")
            >>> key.key
            'rbk_ExampleExampleExampleExampleOnly1gTtmI'
        """
        return self._call(build("GET", f"/v1/keys/{segment(key_id)}"), one_of(Key))

    def update(
        self,
        key_id: str,
        *,
        name: str | Omit = OMIT,
        scopes: Sequence[Scope] | None | Omit = OMIT,
        expires_at: datetime | str | None | Omit = OMIT,
        ip_allow: Sequence[str] | None | Omit = OMIT,
        rate_limit: str | None | Omit = OMIT,
        audiences: Sequence[str] | None | Omit = OMIT,
        current_password: str | Omit = OMIT,
        code: str | Omit = OMIT,
        dry_run: bool | None = None,
    ) -> Key:
        """Update an API key.

        Fields you don't send are left unchanged. The change takes effect within a second, on all servers. To
        give a key more than it has (scopes, allowed IPs, requests, audiences or time), send your
        `current_password` or, if you have a second factor, a `code`. A key can't give more than it has itself,
        and can only change keys that can do no more than it.

        Scope: `keys:write`. Members can only access their own keys.

        Args:
            key_id: ID of the API key, or `current` for the key that sends the request.
            name: What you use the key for. At most 100 characters.
            scopes: The scopes of the key. Null: everything its user can do.
            expires_at: When the key expires, an RFC 3339 time in the future. Null: never.
            ip_allow: IP addresses and networks that can use the key. Null: any.
            rate_limit: Rate limit, such as `100/minute,5000/hour`, or `none`. Null: the default applies. 4 to
                100 characters.
            audiences: The audiences for which the key creates, refreshes, verifies, lists and ends sessions.
                Default or null: any, or of an application, its ID.
            current_password: Your current password. Required to give a key more than it has, unless you have a
                second factor. At most 256 characters.
            code: A code of your authenticator app, or a recovery code. Required to give a key more than it has,
                if you have a second factor. 6 to 64 characters.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            WrongPassword: The email or the password is wrong.
            WrongCode: Each code works once.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> key = client.keys.update(
            ...     "key_065n19esg1vsvaetc6pc73vuso",
            ...     rate_limit="100/minute",
            ...     current_password="correct horse battery staple",
            ... )
            >>> key.key
            'rbk_ExampleExampleExampleExampleOnly1gTtmI'
        """
        return self._call(
            build(
                "PATCH",
                f"/v1/keys/{segment(key_id)}",
                query={"dry_run": dry_run},
                body={
                    "name": name,
                    "scopes": scopes,
                    "expires_at": expires_at,
                    "ip_allow": ip_allow,
                    "rate_limit": rate_limit,
                    "audiences": audiences,
                    "current_password": current_password,
                    "code": code,
                },
            ),
            one_of(Key),
        )

    def revoke(self, key_id: str, *, dry_run: bool | None = None) -> None:
        """Revoke an API key.

        The key stops working within a second, on all servers. Nothing happens if it was revoked before.

        Scope: `keys:write`. Members can only access their own keys.

        Args:
            key_id: ID of the API key, or `current` for the key that sends the request.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> client.keys.revoke("key_065n19esg1vsvaetc6pc73vuso")
        """
        return self._call(build("DELETE", f"/v1/keys/{segment(key_id)}", query={"dry_run": dry_run}), nothing)

    def reveal(self, key_id: str, *, password: str | Omit = OMIT, code: str | Omit = OMIT) -> Key:
        """Reveal an API key.

        Returns one of your own keys in full. Requires your password or, if you have a second factor, a code.
        Fails with 404 if the key is not revealable or was revoked.

        Scope: `keys:write`. Members can only access their own keys.

        Args:
            key_id: ID of the API key, or `current` for the key that sends the request.
            password: Your password. Required unless you have a second factor. At most 256 characters.
            code: A code of your authenticator app, or a recovery code. Required if you have a second factor. 6
                to 64 characters.

        Raises:
            WrongPassword: The email or the password is wrong.
            WrongCode: Each code works once.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> key = client.keys.reveal("key_065n19esg1vsvaetc6pc73vuso", password="securepassword123")
            >>> key.key
            'rbk_ExampleExampleExampleExampleOnly1gTtmI'
        """
        return self._call(
            build("POST", f"/v1/keys/{segment(key_id)}/reveal", body={"password": password, "code": code}), one_of(Key)
        )

    def rotate(
        self,
        key_id: str,
        *,
        overlap: int | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Key:
        """Rotate an API key.

        Creates a new key with the same permissions and expiry. The old key keeps working for `overlap` seconds.

        Scope: `keys:write`. Members can only access their own keys.

        Args:
            key_id: ID of the API key, or `current` for the key that sends the request.
            overlap: Seconds the old key keeps working, at most 30 days. Default: `0`. 0 to 2,592,000.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            KeyLimitReached: Revoke keys that are no longer used.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> key = client.keys.rotate("key_065n19esg1vsvaetc6pc73vuso", overlap=3600)
            >>> key.key
            'rbk_ExampleExampleExampleExampleOnly1gTtmI'
        """
        return self._call(
            build(
                "POST",
                f"/v1/keys/{segment(key_id)}/rotate",
                query={"dry_run": dry_run},
                body={"overlap": overlap},
                idempotency_key=idempotency_key,
            ),
            one_of(Key),
        )

    @property
    def with_raw_response(self) -> KeysWithRawResponse:
        """Calls that return the response with its headers."""
        return KeysWithRawResponse(self._client)


class KeysWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Keys(client, raw=True)
        self.list = raw_page(found.list)
        self.create = raw(found.create)
        self.get = raw(found.get)
        self.update = raw(found.update)
        self.revoke = raw(found.revoke)
        self.reveal = raw(found.reveal)
        self.rotate = raw(found.rotate)


class Requests(Resource):
    """`client.requests`"""

    def list(
        self,
        *,
        user: str | None = None,
        key: str | None = None,
        status: str | None = None,
        method: str | None = None,
        path: str | None = None,
        path_match: str | None = None,
        after: datetime | str | None = None,
        before: datetime | str | None = None,
        order: str | None = None,
        limit: int = 1000,
        wait: int | None = None,
    ) -> Pager[LoggedRequest]:
        """List requests.

        Returns calls that were made with API keys, newest first: your own, and for admins those of all users,
        or of one `user`. A request appears within 2 seconds. To follow the log, pass `order=asc` and the
        `Request-Position` of an earlier response as `after`: then a request appears after 4 seconds, in the
        order of answers, and none is missed. With `wait`, an empty list is returned only after that many
        seconds, and successful calls of this endpoint are left out, since they would end each wait.

        Scope: `requests:read`. Members and viewers can only access requests with their own keys.

        Args:
            user: Only requests with the API keys of this user. Default: all that you can see. At most 40
                characters.
            key: Only requests with this API key. At most 40 characters.
            status: Only responses with this status, or this class of them. At most 3 characters.
            method: Only requests with this method. At most 32 characters.
            path: Only requests to this path, see `path_match`. `%` escapes are as in the URL. At most 200
                characters.
            path_match: How `path` is compared. `prefix`: the path begins with it. `exact`: it is the whole
                path. Default: prefix.
            after: Only requests answered after this RFC 3339 time.
            before: Only requests answered before this RFC 3339 time.
            order: `desc`: newest first. `asc`: oldest first, to follow the log. Default: desc.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.
            wait: Seconds to wait if there is nothing yet. Only with `order=asc`. 0 to 60. Default: 0.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            TooManyStreams: At most 100 requests can follow the event log, and 10 the request log.

        Example:
            >>> for logged_request in client.requests.list():
            ...     print(logged_request.id)
        """
        return self._pages(
            build(
                "GET",
                "/v1/requests",
                query={
                    "user": user,
                    "key": key,
                    "status": status,
                    "method": method,
                    "path": path,
                    "path_match": path_match,
                    "after": after,
                    "before": before,
                    "order": order,
                    "limit": limit,
                    "wait": wait,
                },
            ),
            LoggedRequest,
            "link",
        )

    def get(self, request_id: str) -> LoggedRequest:
        """Get a request.

        Returns one call from the request log, by the `X-Request-Id` of its response. It may be missing if it is
        less than 2 seconds old, past its retention, or was only counted because thousands came at once.

        Scope: `requests:read`. Members and viewers can only access requests with their own keys.

        Args:
            request_id: ID of the request.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> logged_request = client.requests.get("req_7m2c9v0kq1t8a3hs0000001f")
            >>> logged_request.id
            'req_7m2c9v0kq1t8a3hs0000001f'
        """
        return self._call(build("GET", f"/v1/requests/{segment(request_id)}"), one_of(LoggedRequest))

    @property
    def with_raw_response(self) -> RequestsWithRawResponse:
        """Calls that return the response with its headers."""
        return RequestsWithRawResponse(self._client)


class RequestsWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Requests(client, raw=True)
        self.list = raw_page(found.list)
        self.get = raw(found.get)


class Rules(Resource):
    """`client.rules`"""

    def list(self, *, limit: int = 1000, offset: int | None = None) -> Pager[Rule]:
        """List rules.

        Returns rules, oldest first. All that a rule says can be sent to create it again.

        Scope: `rules:read`.

        Args:
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.
            offset: Number of items to skip. Default: 0.

        Example:
            >>> for rule in client.rules.list():
            ...     print(rule.id)
        """
        return self._pages(build("GET", "/v1/rules", query={"limit": limit, "offset": offset}), Rule, "offset")

    def create(
        self,
        *,
        name: str,
        when: Mapping[str, Any],
        steps: Sequence[Mapping[str, Any]],
        enabled: bool | Omit = OMIT,
        who: BulkFilter | Omit = OMIT,
        max_users: int | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Rule:
        """Create a rule.

        Does `steps` to everyone for whom `when` comes and who matches `who`, once for each occasion: an event,
        a day, or the moment that it goes by. It is off until it is `enabled`; call `POST /v1/rules/preview`
        first to see whom it would be for. It acts with your rights, and with the scopes of your key, as they
        are then: also requires `users:read`, `users:write`, and what its steps need. The server can have 100
        rules.

        Scope: `rules:write`.

        Args:
            name: What the rule does, for people. At most 100 characters.
            when: When a rule begins for someone: with an `event` about them, every day at a time (`daily`), or
                so many days `before` or `after` a moment. One of the four.
            steps: What is done.
            enabled: Whether it runs. Default: false.
            who: All users who match these filters of `GET /v1/users`, as they are now; `{}` is all users.
                Without `kind`, only people.
            max_users: People with whom it begins in a day at most, or 5 % of all users, if that is more. If
                there are more people, it waits until someone confirms their number. Default: 50. 1 to
                5,000,000.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            RuleLimitReached: Delete rules that are not needed any more.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> rule = client.rules.create(
            ...     name="Suspend who is inactive",
            ...     when={"after": "last_active_at", "days": 90},
            ...     who={"role": "member"},
            ...     steps=[{"do": "end_sessions"}, {"do": "suspend", "after_days": 14}],
            ... )
            >>> rule.id
            'rule_065n1e9c3k7u1g5m0h8t4d2q6s'
        """
        return self._call(
            build(
                "POST",
                "/v1/rules",
                query={"dry_run": dry_run},
                body={
                    "name": name,
                    "when": when,
                    "steps": steps,
                    "enabled": enabled,
                    "who": who,
                    "max_users": max_users,
                },
                idempotency_key=idempotency_key,
            ),
            one_of(Rule),
        )

    def preview_new(
        self,
        *,
        name: str,
        when: Mapping[str, Any],
        steps: Sequence[Mapping[str, Any]],
        enabled: bool | Omit = OMIT,
        who: BulkFilter | Omit = OMIT,
        max_users: int | Omit = OMIT,
    ) -> RulePreview:
        """Preview a new rule.

        Returns what the preview of a rule would, without creating it.

        Scope: `rules:read`.

        Args:
            name: What the rule does, for people. At most 100 characters.
            when: When a rule begins for someone: with an `event` about them, every day at a time (`daily`), or
                so many days `before` or `after` a moment. One of the four.
            steps: What is done.
            enabled: Whether it runs. Default: false.
            who: All users who match these filters of `GET /v1/users`, as they are now; `{}` is all users.
                Without `kind`, only people.
            max_users: People with whom it begins in a day at most, or 5 % of all users, if that is more. If
                there are more people, it waits until someone confirms their number. Default: 50. 1 to
                5,000,000.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> rule_preview = client.rules.preview_new(
            ...     name="Suspend who is inactive",
            ...     when={"after": "last_active_at", "days": 90},
            ...     who={"role": "member"},
            ...     steps=[{"do": "end_sessions"}, {"do": "suspend", "after_days": 14}],
            ... )
        """
        return self._call(
            build(
                "POST",
                "/v1/rules/preview",
                body={
                    "name": name,
                    "when": when,
                    "steps": steps,
                    "enabled": enabled,
                    "who": who,
                    "max_users": max_users,
                },
            ),
            one_of(RulePreview),
        )

    def get(self, rule_id: str) -> Rule:
        """Get a rule.

        Returns the rule, and how it is doing: when it runs next, and for how many people it waits until someone
        approves.

        Scope: `rules:read`.

        Args:
            rule_id: ID of the rule.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> rule = client.rules.get("rule_065n1e9c3k7u1g5m0h8t4d2q6s")
            >>> rule.id
            'rule_065n1e9c3k7u1g5m0h8t4d2q6s'
        """
        return self._call(build("GET", f"/v1/rules/{segment(rule_id)}"), one_of(Rule))

    def update(
        self,
        rule_id: str,
        *,
        name: str | Omit = OMIT,
        enabled: bool | Omit = OMIT,
        when: Mapping[str, Any] | Omit = OMIT,
        who: BulkFilter | Omit = OMIT,
        steps: Sequence[Mapping[str, Any]] | None | Omit = OMIT,
        max_users: int | Omit = OMIT,
        dry_run: bool | None = None,
        if_match: str | None = None,
    ) -> Rule:
        """Update a rule.

        Fields you don't send are left unchanged. If you change what the rule does, or enable it, you become its
        author: it acts with your rights. People who wait for a step keep waiting, unless `when` has another
        event, time or moment. To turn it off, send `enabled` as false. Those who wait go on when it is enabled
        again, if they still match.

        Scope: `rules:write`.

        Args:
            rule_id: ID of the rule.
            name: What the rule does, for people. At most 100 characters.
            enabled: Whether it runs. Default: false.
            when: When a rule begins for someone: with an `event` about them, every day at a time (`daily`), or
                so many days `before` or `after` a moment. One of the four.
            who: All users who match these filters of `GET /v1/users`, as they are now; `{}` is all users.
                Without `kind`, only people.
            steps: What is done. Null: as if it were missing.
            max_users: People with whom it begins in a day at most, or 5 % of all users, if that is more. If
                there are more people, it waits until someone confirms their number. Default: 50. 1 to
                5,000,000.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.

        Example:
            >>> rule = client.rules.update("rule_065n1e9c3k7u1g5m0h8t4d2q6s", enabled=True)
            >>> rule.id
            'rule_065n1e9c3k7u1g5m0h8t4d2q6s'
        """
        return self._call(
            build(
                "PATCH",
                f"/v1/rules/{segment(rule_id)}",
                query={"dry_run": dry_run},
                body={
                    "name": name,
                    "enabled": enabled,
                    "when": when,
                    "who": who,
                    "steps": steps,
                    "max_users": max_users,
                },
                headers={"If-Match": if_match},
            ),
            one_of(Rule),
        )

    def delete(self, rule_id: str, *, dry_run: bool | None = None, if_match: str | None = None) -> None:
        """Delete a rule.

        People who wait for a step get no further steps. Its runs stay, and can be undone.

        Scope: `rules:write`.

        Args:
            rule_id: ID of the rule.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.

        Example:
            >>> client.rules.delete("rule_065n1e9c3k7u1g5m0h8t4d2q6s")
        """
        return self._call(
            build(
                "DELETE", f"/v1/rules/{segment(rule_id)}", query={"dry_run": dry_run}, headers={"If-Match": if_match}
            ),
            nothing,
        )

    def preview(self, rule_id: str) -> RulePreview:
        """Preview a rule.

        Returns how many people the rule would begin with now or, if it runs every day, at its next run, and the
        first 100 of them. A rule that begins with an event is for people from now on: it has none yet. Nothing
        is changed. Also requires the scope `users:read`.

        Scope: `rules:read`.

        Args:
            rule_id: ID of the rule.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> rule_preview = client.rules.preview("rule_065n1e9c3k7u1g5m0h8t4d2q6s")
        """
        return self._call(build("POST", f"/v1/rules/{segment(rule_id)}/preview"), one_of(RulePreview))

    def run(
        self,
        rule_id: str,
        *,
        confirm_count: int | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Rule:
        """Run a rule.

        Makes an enabled rule look for people now. If there are more than it may begin with in a day, it waits:
        to begin with them, send their number as `confirm_count`. Returns the rule; its runs are bulk jobs.

        Scope: `rules:write`.

        Args:
            rule_id: ID of the rule.
            confirm_count: How many people it begins with: its `waiting_count`, if it waits, or the count of its
                preview. If the number has changed, nothing happens. Without it, a rule that waits keeps
                waiting.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> rule = client.rules.run("rule_065n1e9c3k7u1g5m0h8t4d2q6s", confirm_count=1204)
            >>> rule.id
            'rule_065n1e9c3k7u1g5m0h8t4d2q6s'
        """
        return self._call(
            build(
                "POST",
                f"/v1/rules/{segment(rule_id)}/run",
                query={"dry_run": dry_run},
                body={"confirm_count": confirm_count},
                idempotency_key=idempotency_key,
            ),
            one_of(Rule),
        )

    def runs(self, rule_id: str, *, before: str | None = None, limit: int = 1000) -> Pager[BulkJob]:
        """List runs of a rule.

        Returns the bulk jobs by which the rule did its steps, newest first: the newest 200 of the last 30 days.
        Each has results and can be undone. Also requires the scope `users:write`.

        Scope: `rules:read`.

        Args:
            rule_id: ID of the rule.
            before: Only runs older than the one with this ID. At most 40 characters.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> for bulk_job in client.rules.runs("rule_065n1e9c3k7u1g5m0h8t4d2q6s"):
            ...     print(bulk_job.id)
        """
        return self._pages(
            build("GET", f"/v1/rules/{segment(rule_id)}/runs", query={"before": before, "limit": limit}),
            BulkJob,
            "before",
        )

    @property
    def with_raw_response(self) -> RulesWithRawResponse:
        """Calls that return the response with its headers."""
        return RulesWithRawResponse(self._client)


class RulesWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Rules(client, raw=True)
        self.list = raw_page(found.list)
        self.create = raw(found.create)
        self.preview_new = raw(found.preview_new)
        self.get = raw(found.get)
        self.update = raw(found.update)
        self.delete = raw(found.delete)
        self.preview = raw(found.preview)
        self.run = raw(found.run)
        self.runs = raw_page(found.runs)


class Server(Resource):
    """`client.server`"""

    def metrics(self) -> str:
        """Get metrics.

        Returns the metrics of all workers in the Prometheus text format.

        Scope: `metrics:read`.

        Example:
            >>> client.server.metrics()
        """
        return self._call(build("GET", "/metrics"), text)

    def live(self) -> Health:
        """Check that the process is alive.

        Always returns 200. Doesn't count toward a rate limit.

        Requires no API key.

        Example:
            >>> health = client.server.live()
            >>> health.status
            'ok'
        """
        return self._call(build("GET", "/health/live"), one_of(Health))

    def ready(self) -> Health:
        """Check that the server is ready.

        Returns 200 if the database is available. Returns 503 if it isn't, or if Valkey is unavailable and
        `limits_when_away` is `closed`. Doesn't count toward a rate limit.

        Requires no API key.

        Raises:
            Unavailable: Try again after `Retry-After` seconds.

        Example:
            >>> health = client.server.ready()
            >>> health.status
            'ok'
        """
        return self._call(build("GET", "/health/ready"), one_of(Health))

    def jwks(self) -> PublicKeys:
        """Get the keys of signed tokens.

        Returns the public keys that verify ID tokens and signed access tokens, as a JWK Set. The header of a
        token names its key: if it is not among those you know, read them again. A key is published a day before
        it signs.

        Requires no API key.

        Example:
            >>> public_keys = client.server.jwks()
        """
        return self._call(build("GET", "/.well-known/jwks.json"), one_of(PublicKeys))

    def openapi(self) -> Any:
        """Get the API description.

        Returns this description as OpenAPI 3.1, in gzip or zstd for clients that accept it. Counts toward the
        setting `page_limit`, for each IP address: uncompressed as one page for each 64 KiB.

        Requires no API key.

        Example:
            >>> client.server.openapi()
        """
        return self._call(build("GET", "/openapi.json"), json_of)

    @property
    def with_raw_response(self) -> ServerWithRawResponse:
        """Calls that return the response with its headers."""
        return ServerWithRawResponse(self._client)


class ServerWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Server(client, raw=True)
        self.metrics = raw(found.metrics)
        self.live = raw(found.live)
        self.ready = raw(found.ready)
        self.jwks = raw(found.jwks)
        self.openapi = raw(found.openapi)


class Sessions(Resource):
    """`client.sessions`"""

    def list(
        self, *, user: str | None = None, audience: str | None = None, limit: int = 1000, offset: int | None = None
    ) -> Pager[Session]:
        """List sessions.

        Returns where you are signed in, newest first: the browsers with the dashboard, whose `audience` is
        null, and applications. Admins can pass another `user`. A key with `audiences` lists only their
        sessions.

        Scope: `sessions:read`. Members can only access their own sessions.

        Args:
            user: ID of the user whose sessions to list. Default: yourself. At most 40 characters.
            audience: Only sessions for this audience. At most 255 characters.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.
            offset: Number of items to skip. Default: 0.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> for session in client.sessions.list():
            ...     print(session.id)
        """
        return self._pages(
            build("GET", "/v1/sessions", query={"user": user, "audience": audience, "limit": limit, "offset": offset}),
            Session,
            "offset",
        )

    def create(
        self,
        *,
        audience: str | Omit = OMIT,
        email: str | Omit = OMIT,
        password: str | Omit = OMIT,
        token: str | Omit = OMIT,
        challenge: str | Omit = OMIT,
        code: str | Omit = OMIT,
        address: str | Omit = OMIT,
        user_agent: str | Omit = OMIT,
    ) -> SessionTokens:
        """Create a session.

        Signs a user in to your application: returns the user, a `token` that proves it for 15 minutes, and a
        `refresh_token` that gets the next one. Send their `email` and `password`, or the one-time `token` of a
        sign-in link. If they have a second factor, the right password is a 401 `second_factor_required`, whose
        `challenge` you send with a `code`; with a `token`, send the `code` beside it. Wrong passwords and codes
        are counted as by `POST /v1/users/verify-password`: send the `address` of the person who signs in. A
        user has at most 100 sessions for an audience; the next one ends the oldest.

        Scope: `sessions:create`.

        Args:
            audience: Your application: its ID, or a name that you choose, such as its URL, which the API key
                must have among its `audiences`. Default: the only one of the key. Names and hosts are in lower
                case, and compared exactly. Tokens are only valid for the audience that their session was
                created for. At most 255 characters.
            email: The user's email. At most 254 characters.
            password: The user's current password. At most 256 characters.
            token: A one-time token of the purpose `sign_in`. At most 100 characters.
            challenge: The `challenge` that the right password returned with `second_factor_required`. At most
                128 characters.
            code: A code of the user's authenticator app, or a recovery code. Spaces and hyphens don't matter. 6
                to 64 characters.
            address: The IP address of the person who signs in, as your application sees it. Not that of your
                application or its proxy. 2 to 45 characters.
            user_agent: The User-Agent header of the person's browser or app, to tell sessions apart. The first
                300 characters are kept. At most 2,048 characters.

        Raises:
            TokenInvalid: The one-time token was used, replaced or ended, or has expired.
            ChallengeInvalid: The `challenge` is unknown, was used, or is older than five minutes, or the
                password or the factors were changed since.
            WrongPassword: The email or the password is wrong.
            SecondFactorRequired: The password is right, and a second factor is missing.
            WrongCode: Each code works once.
            NewPasswordRequired: The password is right, but a rule requires another one.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> session_tokens = client.sessions.create(
            ...     email="charlie.c@example.com",
            ...     password="securepassword123",
            ...     audience="https://app.example.com",
            ...     address="203.0.113.7",
            ... )
            >>> session_tokens.id
            'ses_065n19qk2l1v7fm8c0t3b5d6eg'
        """
        return self._call(
            build(
                "POST",
                "/v1/sessions",
                body={
                    "audience": audience,
                    "email": email,
                    "password": password,
                    "token": token,
                    "challenge": challenge,
                    "code": code,
                    "address": address,
                    "user_agent": user_agent,
                },
            ),
            one_of(SessionTokens),
        )

    def refresh(
        self, *, refresh_token: str, audience: str | Omit = OMIT, idempotency_key: str | None = None
    ) -> SessionTokens:
        """Refresh a session.

        Returns the next `token` and `refresh_token`; those before are no longer valid. A refresh token works
        once. If it is sent again, by whoever it may be, the session ends with the event
        `session.reuse_detected`, and the user must sign in again. So refresh a session in one place at a time.
        Never derive that key from the token.

        Scope: `sessions:create`.

        Args:
            refresh_token: The refresh token of the session. At most 100 characters.
            audience: Your application: its ID, or a name that you choose, such as its URL, which the API key
                must have among its `audiences`. Default: the only one of the key. Names and hosts are in lower
                case, and compared exactly. Tokens are only valid for the audience that their session was
                created for. At most 255 characters.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            SessionEnded: The token has expired or was replaced by a refresh, or the session has ended.

        Example:
            >>> session_tokens = client.sessions.refresh(
            ...     refresh_token="rbr_Example-Only-Example-Only-Example-Only-Example-Only-Example-Only-",
            ...     audience="https://app.example.com",
            ... )
            >>> session_tokens.id
            'ses_065n19qk2l1v7fm8c0t3b5d6eg'
        """
        return self._call(
            build(
                "POST",
                "/v1/sessions/refresh",
                body={"refresh_token": refresh_token, "audience": audience},
                idempotency_key=idempotency_key,
            ),
            one_of(SessionTokens),
        )

    def verify(self, *, token: str, audience: str | Omit = OMIT, fields: Sequence[str] = ("*",)) -> VerifiedSession:
        """Verify a session.

        Returns the session of a `token` and the user as they are now, or 401 `session_ended`. Call it for each
        request of your application: what ends a session ends it on all servers at once.

        Scope: `sessions:verify`.

        Args:
            token: The token of the session. At most 100 characters.
            audience: Your application: its ID, or a name that you choose, such as its URL, which the API key
                must have among its `audiences`. Default: the only one of the key. Names and hosts are in lower
                case, and compared exactly. Tokens are only valid for the audience that their session was
                created for. At most 255 characters.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.

        Raises:
            SessionEnded: The token has expired or was replaced by a refresh, or the session has ended.

        Example:
            >>> verified_session = client.sessions.verify(
            ...     token="rbs_Example-Only-Example-Only-Example-Only-Exam", audience="https://app.example.com"
            ... )
            >>> verified_session.id
            'ses_065n19qk2l1v7fm8c0t3b5d6eg'
        """
        return self._call(
            build("POST", "/v1/sessions/verify", query={"fields": fields}, body={"token": token, "audience": audience}),
            one_of(VerifiedSession),
        )

    def end(self, session_id: str, *, dry_run: bool | None = None) -> None:
        """Delete a session.

        Signs the user out there immediately: the cookie or the tokens of the session are no longer valid on any
        server.

        Scope: `sessions:write`. Members can only access their own sessions.

        Args:
            session_id: ID of the session.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> client.sessions.end("ses_065n19qk2l1v7fm8c0t3b5d6eg")
        """
        return self._call(build("DELETE", f"/v1/sessions/{segment(session_id)}", query={"dry_run": dry_run}), nothing)

    @property
    def with_raw_response(self) -> SessionsWithRawResponse:
        """Calls that return the response with its headers."""
        return SessionsWithRawResponse(self._client)


class SessionsWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Sessions(client, raw=True)
        self.list = raw_page(found.list)
        self.create = raw(found.create)
        self.refresh = raw(found.refresh)
        self.verify = raw(found.verify)
        self.end = raw(found.end)


class Tokens(Resource):
    """`client.tokens`"""

    def request(
        self,
        *,
        email: str,
        purpose: str,
        redirect_url: str | Omit = OMIT,
        address: str | Omit = OMIT,
        language: str | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> None:
        """Request a one-time token.

        For forms in which people who are not signed in enter their email, such as for a forgotten password. The
        answer is always 202, and takes the same time whether there is such a user or not. If there is, and they
        can use such a token, it is sent to them: by Rollbook, if it sends mail, or by your application, with a
        webhook that names the event `token.requested` in its `types`. Send the `address` of the person: then
        each address has a limit, too. Beyond the limits, nothing is sent. An invited user who forgot their
        password gets an invitation.

        Scope: `tokens:create`.

        Args:
            email: The email that the person entered. 3 to 254 characters.
            purpose: `invite`: An invited user sets their first password. `reset_password`: Sets a password, for
                users who have forgotten theirs or have none yet. `verify_email`: Confirms the user's email.
                `sign_in`: Signs the user in without a password.
            redirect_url: The page that the person continues to, instead of the dashboard: a URL at an origin of
                the server's setting `redirect_origins`, or on `localhost` or `127.0.0.1` with any port. 9 to
                1,024 characters.
            address: The IP address of the person, as your application sees it. Not that of your application or
                its proxy. 2 to 45 characters.
            language: Language of the email and the page. Default: for the email, the one in which the user last
                used the pages, or the setting `language`; for the page, the one that the browser prefers. One
                of `de`, `en`, `es`, `fr`, `ja`, `pt`.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Example:
            >>> client.tokens.request(
            ...     email="charlie.c@example.com", purpose="reset_password", address="203.0.113.7"
            ... )
        """
        return self._call(
            build(
                "POST",
                "/v1/tokens/request",
                query={"dry_run": dry_run},
                body={
                    "email": email,
                    "purpose": purpose,
                    "redirect_url": redirect_url,
                    "address": address,
                    "language": language,
                },
                idempotency_key=idempotency_key,
            ),
            nothing,
        )

    def consume(
        self,
        *,
        token: str,
        password: str | Omit = OMIT,
        name: str | Omit = OMIT,
        code: str | Omit = OMIT,
        revoke_keys: bool | Omit = OMIT,
        address: str | Omit = OMIT,
        dry_run: bool | None = None,
    ) -> ConsumedToken:
        """Consume a one-time token.

        Does what the token is for and returns the user, with all fields, and the token's `purpose`,
        `redirect_url` and `data`. `invite` and `reset_password` need the new `password`; one that is refused
        does not use the token up. Of several callers at once, one succeeds. If the user has a second factor,
        all but `verify_email` need a `code` as well, and fail with 401 without one. Unknown, used, replaced and
        expired tokens are refused in the same way, and take the same time.

        Scope: `tokens:consume`.

        Args:
            token: The token. At most 2,048 characters.
            password: The new password. Required for `invite` and `reset_password`. 8 to 256 characters.
            name: The user's name, only for `invite`, and if `member_fields` has it. Default: unchanged. At most
                255 characters.
            code: A code of the user's authenticator app, or a recovery code. Required for all but
                `verify_email` if the user has a second factor. 6 to 64 characters.
            revoke_keys: Whether a new password revokes the user's API keys, disables their webhooks, and ends
                what they created for others. Default: `true` for `reset_password`, otherwise `false`.
            address: The IP address of the person who signs in, as your application sees it. Not that of your
                application or its proxy. 2 to 45 characters.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            EmailTaken: Emails ignore case, but plus tags and dots matter.
            TokenInvalid: The one-time token was used, replaced or ended, or has expired.
            SecondFactorRequired: The password is right, and a second factor is missing.
            WrongCode: Each code works once.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> consumed_token = client.tokens.consume(token="Example-Only-Example-Only-Example-Only-Exam")
            >>> consumed_token.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build(
                "POST",
                "/v1/tokens/consume",
                query={"dry_run": dry_run},
                body={
                    "token": token,
                    "password": password,
                    "name": name,
                    "code": code,
                    "revoke_keys": revoke_keys,
                    "address": address,
                },
            ),
            one_of(ConsumedToken),
        )

    @property
    def with_raw_response(self) -> TokensWithRawResponse:
        """Calls that return the response with its headers."""
        return TokensWithRawResponse(self._client)


class TokensWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Tokens(client, raw=True)
        self.request = raw(found.request)
        self.consume = raw(found.consume)


class Usage(Resource):
    """`client.usage`"""

    def get(self, *, user: str | None = None, key: str | None = None, period: str | None = None) -> UsageReport:
        """Get usage.

        Counts requests made with API keys, by hour or day, key, endpoint and exceeded rate limit: your own, and
        for admins those of any `user`, or of the whole server by user and key (`user=all`). Requests appear
        within 2 seconds.

        Scope: `requests:read`. Members and viewers can only access requests with their own keys.

        Args:
            user: Usage of this user. Default: your own. Admins can pass `all` for that of the whole server. At
                most 40 characters.
            key: Only requests with this API key of the user. At most 40 characters.
            period: How far to look back. `24h` and `7d` are counted by the hour, `30d` and `90d` by the day;
                days begin at 00:00 UTC. Default: 7d.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> usage_report = client.usage.get()
        """
        return self._call(
            build("GET", "/v1/usage", query={"user": user, "key": key, "period": period}), one_of(UsageReport)
        )

    @property
    def with_raw_response(self) -> UsageWithRawResponse:
        """Calls that return the response with its headers."""
        return UsageWithRawResponse(self._client)


class UsageWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Usage(client, raw=True)
        self.get = raw(found.get)


class Users(Resource):
    """`client.users`"""

    @property
    def second_factors(self) -> UsersSecondFactors:
        return UsersSecondFactors(self._client)

    def list(
        self,
        *,
        email: str | None = None,
        external_id: str | None = None,
        ids: Sequence[str] | None = None,
        role: Role | None = None,
        status: str | None = None,
        kind: UserKind | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        q: str | None = None,
        metadata: Mapping[str, str] | None = None,
        group: str | None = None,
        active_after: str | None = None,
        active_before: str | None = None,
        ends_after: datetime | str | None = None,
        ends_before: datetime | str | None = None,
        email_verified: bool | None = None,
        second_factor: bool | None = None,
        status_since_before: datetime | str | None = None,
        sort: Sequence[str] | None = None,
        limit: int = 1000,
        offset: int | None = None,
        fields: Sequence[str] = ("*",),
        count: str | None = None,
        consistency: str | None = None,
    ) -> Pager[User]:
        """List users.

        Returns users in the order in which they were added. Use the filters, `q` and `sort` to select and order
        them. `status=deleted` returns those who can be restored, newest deletion first.

        Scope: `users:read`.

        Args:
            email: Only the user with this email, ignoring case. At most 254 characters.
            external_id: Only the user with this external ID. At most 255 characters.
            ids: Up to 200 IDs, separated by commas.
            role: Only users with this role. One of `member`, `viewer`, `admin`, `owner`.
            status: Only users with this status. `deleted`: those who were deleted and can be restored, newest
                deletion first. Requires the scope `users:write` as well. One of `active`, `deleted`, `invited`,
                `suspended`.
            kind: Only users of this kind. One of `person`, `application`.
            created_after: Only users created after this RFC 3339 time.
            created_before: Only users created before this RFC 3339 time.
            q: Search: part of a name or email, ignoring case and accents, or the first characters of an ID or
                external ID. One or two characters find words that begin with them and, in Chinese, Japanese,
                Korean and other scripts written without spaces, any place. At most 255 characters.
            metadata: Only users with these values in their metadata, up to 10. Compares texts, numbers,
                booleans and null at the top level as text, such as `pro`, `1`, `0.5`, `true` or `null`.
            group: Only members of the group with this ID. Requires the scope `groups:read` as well. At most 40
                characters.
            active_after: Only users last active after this RFC 3339 time. `never`: all who ever were. At most
                40 characters.
            active_before: Only users last active before this RFC 3339 time. `never`: only those who never were.
                At most 40 characters.
            ends_after: Only users whose `ends_at` is after this RFC 3339 time.
            ends_before: Only users whose `ends_at` is before this RFC 3339 time.
            email_verified: Whether the email of the users is verified.
            second_factor: Whether the users have a second factor.
            status_since_before: Only users who got their present `status` before this RFC 3339 time.
            sort: `created_at`, `name`, `email`, `last_active_at` or `ends_at`; separate several with commas.
                Prefix with `-` for descending order. Users who were never active come before all others, those
                without an end behind them. One of `created_at`, `-created_at`, `name`, `-name`, `email`,
                `-email`, `last_active_at`, `-last_active_at`, `ends_at`, `-ends_at`.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.
            offset: Number of items to skip. Default: 0.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.
            count: `exact`: return `X-Total-Count` for filtered lists as well.
            consistency: `eventual`: a database standby may answer, and its data may lag. By default, lists
                include every acknowledged change. One of `eventual`, `strong`.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> for user in client.users.list():
            ...     print(user.email)
        """
        return self._pages(
            build(
                "GET",
                "/v1/users",
                query={
                    "email": email,
                    "external_id": external_id,
                    "ids": ids,
                    "role": role,
                    "status": status,
                    "kind": kind,
                    "created_after": created_after,
                    "created_before": created_before,
                    "q": q,
                    "metadata": metadata,
                    "group": group,
                    "active_after": active_after,
                    "active_before": active_before,
                    "ends_after": ends_after,
                    "ends_before": ends_before,
                    "email_verified": email_verified,
                    "second_factor": second_factor,
                    "status_since_before": status_since_before,
                    "sort": sort,
                    "limit": limit,
                    "offset": offset,
                    "fields": fields,
                    "count": count,
                    "consistency": consistency,
                },
            ),
            User,
            "link",
        )

    def create(
        self,
        *,
        name: str,
        email: str,
        password: str | Omit = OMIT,
        role: Role | Omit = OMIT,
        external_id: str | None | Omit = OMIT,
        metadata: Mapping[str, Any] | None | Omit = OMIT,
        private_metadata: Mapping[str, Any] | None | Omit = OMIT,
        email_verified: bool | Omit = OMIT,
        rate_limit: str | None | Omit = OMIT,
        ends_at: datetime | str | None | Omit = OMIT,
        status: Status | Omit = OMIT,
        fields: Sequence[str] = ("*",),
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> User:
        """Create a user.

        The password is stored as an argon2id hash and never returned. For a `role` above member, the key needs
        the scope `users:grant` as well.

        Scope: `users:write`.

        Args:
            name: The user's name, 1 to 255 characters. Surrounding whitespace is removed. No control
                characters, and no invisible ones. At most 255 characters.
            email: The user's email, at most 254 bytes. International addresses are allowed. Must be unique,
                ignoring case. Stored as sent. 3 to 254 characters.
            password: Required, unless the `status` is `invited`. 8 to 256 characters. Passwords that are easy
                to guess are rejected: common ones, and those made of a common word or the user's name or email,
                with digits or signs. Nothing is truncated.
            role: The user's role. `member`: Can read and change their own user, API keys and sessions, and read
                the log of their requests. `viewer`: Can read all users, groups, events and rules, and have
                webhooks. Otherwise like a member. `admin`: Full access, except to owners. `owner`: Full access.
                Default for a new user: `member`.
            external_id: Your own identifier for the user. Unique. Null removes it. At most 255 characters.
            metadata: A JSON object with your own data, at most 16 KiB. Null: as if it were missing.
            private_metadata: Like `metadata`, for data that the user doesn't see, such as what another system
                kept from them. Null: as if it were missing.
            email_verified: Whether the email is verified.
            rate_limit: Rate limit, such as `100/minute,5000/hour`, or `none`. Null: the default applies. 4 to
                100 characters.
            ends_at: The RFC 3339 time at which Rollbook suspends the user. Null: never.
            status: Only `invited`: the user has no password until they set one, and then becomes `active`. One
                of `active`, `invited`, `suspended`.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            EmailTaken: Emails ignore case, but plus tags and dots matter.
            ExternalIdTaken: To find who has it, call `GET /v1/users?external_id=` or `GET
                /v1/groups?external_id=`.

        Example:
            >>> user = client.users.create(
            ...     name="Charlie Chaplin", email="charlie@example.com", password="securepassword123"
            ... )
            >>> user.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build(
                "POST",
                "/v1/users",
                query={"fields": fields, "dry_run": dry_run},
                body={
                    "name": name,
                    "email": email,
                    "password": password,
                    "role": role,
                    "external_id": external_id,
                    "metadata": metadata,
                    "private_metadata": private_metadata,
                    "email_verified": email_verified,
                    "rate_limit": rate_limit,
                    "ends_at": ends_at,
                    "status": status,
                },
                idempotency_key=idempotency_key,
            ),
            one_of(User),
        )

    def count(
        self,
        *,
        email: str | None = None,
        external_id: str | None = None,
        ids: Sequence[str] | None = None,
        role: Role | None = None,
        status: str | None = None,
        kind: UserKind | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        q: str | None = None,
        metadata: Mapping[str, str] | None = None,
        group: str | None = None,
        active_after: str | None = None,
        active_before: str | None = None,
        ends_after: datetime | str | None = None,
        ends_before: datetime | str | None = None,
        email_verified: bool | None = None,
        second_factor: bool | None = None,
        status_since_before: datetime | str | None = None,
    ) -> Count:
        """Count users.

        Returns the exact number of users that match the filters.

        Scope: `users:read`.

        Args:
            email: Only the user with this email, ignoring case. At most 254 characters.
            external_id: Only the user with this external ID. At most 255 characters.
            ids: Up to 200 IDs, separated by commas.
            role: Only users with this role. One of `member`, `viewer`, `admin`, `owner`.
            status: Only users with this status. `deleted`: those who were deleted and can be restored, newest
                deletion first. Requires the scope `users:write` as well. One of `active`, `deleted`, `invited`,
                `suspended`.
            kind: Only users of this kind. One of `person`, `application`.
            created_after: Only users created after this RFC 3339 time.
            created_before: Only users created before this RFC 3339 time.
            q: Search: part of a name or email, ignoring case and accents, or the first characters of an ID or
                external ID. One or two characters find words that begin with them and, in Chinese, Japanese,
                Korean and other scripts written without spaces, any place. At most 255 characters.
            metadata: Only users with these values in their metadata, up to 10. Compares texts, numbers,
                booleans and null at the top level as text, such as `pro`, `1`, `0.5`, `true` or `null`.
            group: Only members of the group with this ID. Requires the scope `groups:read` as well. At most 40
                characters.
            active_after: Only users last active after this RFC 3339 time. `never`: all who ever were. At most
                40 characters.
            active_before: Only users last active before this RFC 3339 time. `never`: only those who never were.
                At most 40 characters.
            ends_after: Only users whose `ends_at` is after this RFC 3339 time.
            ends_before: Only users whose `ends_at` is before this RFC 3339 time.
            email_verified: Whether the email of the users is verified.
            second_factor: Whether the users have a second factor.
            status_since_before: Only users who got their present `status` before this RFC 3339 time.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> count = client.users.count()
            >>> count.count
            2
        """
        return self._call(
            build(
                "GET",
                "/v1/users/count",
                query={
                    "email": email,
                    "external_id": external_id,
                    "ids": ids,
                    "role": role,
                    "status": status,
                    "kind": kind,
                    "created_after": created_after,
                    "created_before": created_before,
                    "q": q,
                    "metadata": metadata,
                    "group": group,
                    "active_after": active_after,
                    "active_before": active_before,
                    "ends_after": ends_after,
                    "ends_before": ends_before,
                    "email_verified": email_verified,
                    "second_factor": second_factor,
                    "status_since_before": status_since_before,
                },
            ),
            one_of(Count),
        )

    def get(self, user_id: str, *, at: str | None = None, fields: Sequence[str] = ("*",)) -> User:
        """Get a user.

        Returns all fields except the password. Use `me` as the ID for the user the API key belongs to. The
        `ETag` changes with the user: send it as `If-None-Match` to read the user only if it has changed, or as
        `If-Match` with an update. With `at`, returns the user as they were at that time, without an `ETag`;
        this needs the scope `events:read` as well.

        Scope: `users:read`. Members can only access themselves.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            at: Return the user as they were at this RFC 3339 time, or right after the event with this ID. At
                most 40 characters.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            NotInLog: The log doesn't go back that far.

        Example:
            >>> user = client.users.get("user_065n18a8k1rnhbvqalm9j3ts0c")
            >>> user.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build("GET", f"/v1/users/{segment(user_id)}", query={"at": at, "fields": fields}), one_of(User)
        )

    def put(
        self,
        user_id: str,
        *,
        name: str | Omit = OMIT,
        email: str | Omit = OMIT,
        role: Role | Omit = OMIT,
        external_id: str | None | Omit = OMIT,
        metadata: Mapping[str, Any] | None | Omit = OMIT,
        private_metadata: Mapping[str, Any] | None | Omit = OMIT,
        email_verified: bool | Omit = OMIT,
        rate_limit: str | None | Omit = OMIT,
        ends_at: datetime | str | None | Omit = OMIT,
        kind: UserKind | Omit = OMIT,
        status: Status | Omit = OMIT,
        current_password: str | Omit = OMIT,
        fields: Sequence[str] = ("*",),
        dry_run: bool | None = None,
        if_match: str | None = None,
    ) -> User:
        """Update a user.

        Fields you don't send are left unchanged. `PUT` replaces `metadata` and `private_metadata`; `PATCH`
        merges them, and null removes a key. Users can change their own name and email, or what the setting
        `member_fields` says. Send your `current_password` to change your own email; where the server sends
        mail, it stays as it is until you have opened the link that is sent to the new one. Admins can change
        all fields; for the `role`, and the `email` of a user with a role above member, the key needs the scope
        `users:grant` as well. A higher role signs the user out, and ends their one-time tokens and the API keys
        that others created for them. With `If-Match`, the update only succeeds if the user still has that
        version.

        Scope: `users:write`. Members can only access themselves.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            name: The user's name, 1 to 255 characters. Surrounding whitespace is removed. No control
                characters, and no invisible ones. At most 255 characters.
            email: The user's email, at most 254 bytes. International addresses are allowed. Must be unique,
                ignoring case. Stored as sent. 3 to 254 characters.
            role: The user's role. `member`: Can read and change their own user, API keys and sessions, and read
                the log of their requests. `viewer`: Can read all users, groups, events and rules, and have
                webhooks. Otherwise like a member. `admin`: Full access, except to owners. `owner`: Full access.
                Default for a new user: `member`.
            external_id: Your own identifier for the user. Unique. Null removes it. At most 255 characters.
            metadata: A JSON object with your own data, at most 16 KiB. Null: as if it were missing.
            private_metadata: Like `metadata`, for data that the user doesn't see, such as what another system
                kept from them. Null: as if it were missing.
            email_verified: Whether the email is verified.
            rate_limit: Rate limit, such as `100/minute,5000/hour`, or `none`. Null: the default applies. 4 to
                100 characters.
            ends_at: The RFC 3339 time at which Rollbook suspends the user. Null: never.
            kind: What the user is. `person`: Someone who can sign in. `application`: A program, such as your
                shop: it has API keys and webhooks, but no password, and can't sign in. Can't be changed.
            status: `invited` users have no password yet, and become `active` when they set one. `suspended`
                users can't sign in or use their API keys until they are activated.
            current_password: Your current password. Required to change your own email. At most 256 characters.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            EmailTaken: Emails ignore case, but plus tags and dots matter.
            ExternalIdTaken: To find who has it, call `GET /v1/users?external_id=` or `GET
                /v1/groups?external_id=`.
            WrongPassword: The email or the password is wrong.
            LastOwner: The last active owner can't be deleted, suspended or given a lower role.
            NotYourself: You can't delete or suspend yourself, nor change your own email by SCIM.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> user = client.users.put(
            ...     "user_065n18a8k1rnhbvqalm9j3ts0c", name="Charles Chaplin", email="charlie.c@example.com"
            ... )
            >>> user.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build(
                "PUT",
                f"/v1/users/{segment(user_id)}",
                query={"fields": fields, "dry_run": dry_run},
                body={
                    "name": name,
                    "email": email,
                    "role": role,
                    "external_id": external_id,
                    "metadata": metadata,
                    "private_metadata": private_metadata,
                    "email_verified": email_verified,
                    "rate_limit": rate_limit,
                    "ends_at": ends_at,
                    "kind": kind,
                    "status": status,
                    "current_password": current_password,
                },
                headers={"If-Match": if_match},
            ),
            one_of(User),
        )

    def update(
        self,
        user_id: str,
        *,
        name: str | Omit = OMIT,
        email: str | Omit = OMIT,
        role: Role | Omit = OMIT,
        external_id: str | None | Omit = OMIT,
        metadata: Mapping[str, Any] | None | Omit = OMIT,
        private_metadata: Mapping[str, Any] | None | Omit = OMIT,
        email_verified: bool | Omit = OMIT,
        rate_limit: str | None | Omit = OMIT,
        ends_at: datetime | str | None | Omit = OMIT,
        kind: UserKind | Omit = OMIT,
        status: Status | Omit = OMIT,
        current_password: str | Omit = OMIT,
        fields: Sequence[str] = ("*",),
        dry_run: bool | None = None,
        if_match: str | None = None,
    ) -> User:
        """Update a user.

        Fields you don't send are left unchanged. `PUT` replaces `metadata` and `private_metadata`; `PATCH`
        merges them, and null removes a key. Users can change their own name and email, or what the setting
        `member_fields` says. Send your `current_password` to change your own email; where the server sends
        mail, it stays as it is until you have opened the link that is sent to the new one. Admins can change
        all fields; for the `role`, and the `email` of a user with a role above member, the key needs the scope
        `users:grant` as well. A higher role signs the user out, and ends their one-time tokens and the API keys
        that others created for them. With `If-Match`, the update only succeeds if the user still has that
        version.

        Scope: `users:write`. Members can only access themselves.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            name: The user's name, 1 to 255 characters. Surrounding whitespace is removed. No control
                characters, and no invisible ones. At most 255 characters.
            email: The user's email, at most 254 bytes. International addresses are allowed. Must be unique,
                ignoring case. Stored as sent. 3 to 254 characters.
            role: The user's role. `member`: Can read and change their own user, API keys and sessions, and read
                the log of their requests. `viewer`: Can read all users, groups, events and rules, and have
                webhooks. Otherwise like a member. `admin`: Full access, except to owners. `owner`: Full access.
                Default for a new user: `member`.
            external_id: Your own identifier for the user. Unique. Null removes it. At most 255 characters.
            metadata: Changes of the metadata (RFC 7396): keys you send are set, those with null are removed,
                objects are merged, and others stay. The result has at most 16 KiB. Null: as if it were missing.
            private_metadata: Like `metadata`, for data that the user doesn't see, such as what another system
                kept from them. Null: as if it were missing.
            email_verified: Whether the email is verified.
            rate_limit: Rate limit, such as `100/minute,5000/hour`, or `none`. Null: the default applies. 4 to
                100 characters.
            ends_at: The RFC 3339 time at which Rollbook suspends the user. Null: never.
            kind: What the user is. `person`: Someone who can sign in. `application`: A program, such as your
                shop: it has API keys and webhooks, but no password, and can't sign in. Can't be changed.
            status: `invited` users have no password yet, and become `active` when they set one. `suspended`
                users can't sign in or use their API keys until they are activated.
            current_password: Your current password. Required to change your own email. At most 256 characters.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            EmailTaken: Emails ignore case, but plus tags and dots matter.
            ExternalIdTaken: To find who has it, call `GET /v1/users?external_id=` or `GET
                /v1/groups?external_id=`.
            WrongPassword: The email or the password is wrong.
            LastOwner: The last active owner can't be deleted, suspended or given a lower role.
            NotYourself: You can't delete or suspend yourself, nor change your own email by SCIM.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> user = client.users.update(
            ...     "user_065n18a8k1rnhbvqalm9j3ts0c",
            ...     name="Charles Chaplin",
            ...     metadata={"plan": "team", "trial_ends": None},
            ... )
            >>> user.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build(
                "PATCH",
                f"/v1/users/{segment(user_id)}",
                query={"fields": fields, "dry_run": dry_run},
                body={
                    "name": name,
                    "email": email,
                    "role": role,
                    "external_id": external_id,
                    "metadata": metadata,
                    "private_metadata": private_metadata,
                    "email_verified": email_verified,
                    "rate_limit": rate_limit,
                    "ends_at": ends_at,
                    "kind": kind,
                    "status": status,
                    "current_password": current_password,
                },
                headers={"If-Match": if_match},
            ),
            one_of(User),
        )

    def delete(
        self, user_id: str, *, purge: bool | None = None, dry_run: bool | None = None, if_match: str | None = None
    ) -> None:
        """Delete a user.

        The user disappears from all lists, their API keys stop working, and their email can be used again. You
        can restore them for 30 days. Owners can send `purge=true`: it erases the user permanently, and what is
        personal in the event log. Who did what to which ID, and when, stays.

        Scope: `users:delete`.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            purge: `true`: erase the user permanently, so that they can't be restored. Default: False.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            LastOwner: The last active owner can't be deleted, suspended or given a lower role.
            NotYourself: You can't delete or suspend yourself, nor change your own email by SCIM.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.

        Example:
            >>> client.users.delete("user_065n18a8k1rnhbvqalm9j3ts0c")
        """
        return self._call(
            build(
                "DELETE",
                f"/v1/users/{segment(user_id)}",
                query={"purge": purge, "dry_run": dry_run},
                headers={"If-Match": if_match},
            ),
            nothing,
        )

    def suspend(
        self,
        user_id: str,
        *,
        fields: Sequence[str] = ("*",),
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> User:
        """Suspend a user.

        Suspended users can't sign in or use their API keys until you activate them. They stay in lists.

        Scope: `users:write`.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            LastOwner: The last active owner can't be deleted, suspended or given a lower role.
            NotYourself: You can't delete or suspend yourself, nor change your own email by SCIM.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> user = client.users.suspend("user_065n18a8k1rnhbvqalm9j3ts0c")
            >>> user.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build(
                "POST",
                f"/v1/users/{segment(user_id)}/suspend",
                query={"fields": fields, "dry_run": dry_run},
                idempotency_key=idempotency_key,
            ),
            one_of(User),
        )

    def activate(
        self,
        user_id: str,
        *,
        fields: Sequence[str] = ("*",),
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> User:
        """Activate a suspended user.

        If their `ends_at` has passed, it becomes null.

        Scope: `users:write`.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> user = client.users.activate("user_065n18a8k1rnhbvqalm9j3ts0c")
            >>> user.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build(
                "POST",
                f"/v1/users/{segment(user_id)}/activate",
                query={"fields": fields, "dry_run": dry_run},
                idempotency_key=idempotency_key,
            ),
            one_of(User),
        )

    def adopt(
        self,
        user_id: str,
        *,
        fields: Sequence[str] = ("*",),
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> User:
        """Adopt a user.

        For a user whom [SCIM](scim.md) or an import refuses with `email_unproven`: someone may have signed up
        with an email that isn't theirs. Ends the user's password, second factors, sessions, API keys, webhooks
        and links, and what they created for others. From then on, identity providers and imports take the user
        over. Nothing happens to a user whose email is verified, or who was imported or created by SCIM. For a
        user with a role above member, the key needs the scope `users:grant` as well.

        Scope: `users:write`.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            NotYourself: You can't delete or suspend yourself, nor change your own email by SCIM.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> user = client.users.adopt("user_065n18a8k1rnhbvqalm9j3ts0c")
            >>> user.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build(
                "POST",
                f"/v1/users/{segment(user_id)}/adopt",
                query={"fields": fields, "dry_run": dry_run},
                idempotency_key=idempotency_key,
            ),
            one_of(User),
        )

    def restore(
        self,
        user_id: str,
        *,
        fields: Sequence[str] = ("*",),
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> User:
        """Restore a deleted user.

        The user returns to the same position in lists. Their API keys stay revoked. Fails with 400 if another
        user now has their email.

        Scope: `users:write`.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            EmailTaken: Emails ignore case, but plus tags and dots matter.
            ExternalIdTaken: To find who has it, call `GET /v1/users?external_id=` or `GET
                /v1/groups?external_id=`.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> user = client.users.restore("user_065n18a8k1rnhbvqalm9j3ts0c")
            >>> user.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build(
                "POST",
                f"/v1/users/{segment(user_id)}/restore",
                query={"fields": fields, "dry_run": dry_run},
                idempotency_key=idempotency_key,
            ),
            one_of(User),
        )

    def bulk(
        self,
        *,
        operations: Sequence[BulkOperation],
        atomic: bool | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> BulkResults:
        """Change many users.

        Runs up to 1,000 operations that create, update, delete, restore, suspend or activate users, or create
        one-time tokens for them, in the order you send them and in one transaction. Each operation follows the
        rules of its own endpoint; `update` is `PATCH`. Returns a result for each operation: one that fails
        doesn't affect the others. With `atomic`, either all operations are done or none. Up to 200 operations
        can have a password. Each operation counts as one request.

        Scope: `users:write`.

        Args:
            operations: Up to 1,000 operations.
            atomic: Whether none is done if one fails. Default: `false`.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            BulkRefused: `errors` names those that failed, as far as they fit into 4 KiB.

        Example:
            >>> bulk_results = client.users.bulk(
            ...     operations=[
            ...         {"op": "create", "name": "Charlie Chaplin", "email": "charlie@example.com"},
            ...         {
            ...             "op": "update",
            ...             "id": "user_065n14sd01rd526r46hrcu0i8o",
            ...             "metadata": {"plan": "team"},
            ...             "if_match": '"3"',
            ...         },
            ...         {"op": "suspend", "id": "user_065n1610s1svlbjclvt8htp6r0"},
            ...     ]
            ... )
        """
        return self._call(
            build(
                "POST",
                "/v1/users/bulk",
                query={"dry_run": dry_run},
                body={"operations": operations, "atomic": atomic},
                idempotency_key=idempotency_key,
            ),
            one_of(BulkResults),
        )

    def verify_password(
        self, *, email: str, password: str, address: str | Omit = OMIT, fields: Sequence[str] = ("*",)
    ) -> User:
        """Verify a password.

        Use this to sign users in to your own application. Returns the user, or 401 if the email or password is
        wrong. An unknown email takes as long as a wrong password. If the user has a second factor, the right
        password is a 401 too, `second_factor_required`: its `challenge` and a code go to `verify-challenge`.
        Returns 429 after too many failures for one account. Send the `address` of the person who signs in: then
        failures are counted for each address, and a stranger can't lock the user out.

        Scope: `users:verify`.

        Args:
            email: The user's email. At most 254 characters.
            password: The user's current password. At most 256 characters.
            address: The IP address of the person who signs in, as your application sees it. Not that of your
                application or its proxy. 2 to 45 characters.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.

        Raises:
            WrongPassword: The email or the password is wrong.
            SecondFactorRequired: The password is right, and a second factor is missing.
            NewPasswordRequired: The password is right, but a rule requires another one.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> user = client.users.verify_password(email="charlie@example.com", password="securepassword123")
            >>> user.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build(
                "POST",
                "/v1/users/verify-password",
                query={"fields": fields},
                body={"email": email, "password": password, "address": address},
            ),
            one_of(User),
        )

    def verify_challenge(
        self, *, challenge: str, code: str, address: str | Omit = OMIT, fields: Sequence[str] = ("*",)
    ) -> User:
        """Verify a second factor.

        The second step of a sign-in whose first was `verify-password`. Send the `challenge` that it returned,
        and a code of the user's authenticator app or a recovery code. Returns the user, as `verify-password`
        does for those who have no second factor. A wrong code leaves the challenge open, and counts as a wrong
        password does.

        Scope: `users:verify`.

        Args:
            challenge: The `challenge` that the right password returned with `second_factor_required`. At most
                128 characters.
            code: A code of the user's authenticator app, or a recovery code. Spaces and hyphens don't matter. 6
                to 64 characters.
            address: The IP address of the person who signs in, as your application sees it. Not that of your
                application or its proxy. 2 to 45 characters.
            fields: Fields to return besides `id`, `name` and `email`. Default: all.

        Raises:
            ChallengeInvalid: The `challenge` is unknown, was used, or is older than five minutes, or the
                password or the factors were changed since.
            WrongCode: Each code works once.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> user = client.users.verify_challenge(
            ...     challenge="Example-Only-Example-Only-Example-Only-Exam", code="287082"
            ... )
            >>> user.id
            'user_065n18a8k1rnhbvqalm9j3ts0c'
        """
        return self._call(
            build(
                "POST",
                "/v1/users/verify-challenge",
                query={"fields": fields},
                body={"challenge": challenge, "code": code, "address": address},
            ),
            one_of(User),
        )

    def set_password(
        self,
        user_id: str,
        *,
        password: str,
        current_password: str | Omit = OMIT,
        revoke_keys: bool | Omit = OMIT,
        dry_run: bool | None = None,
    ) -> None:
        """Set a user's password.

        Signs the user out everywhere. Users who change their own password must send their `current_password`.
        The API keys of another user are revoked too, their webhooks disabled, and what they created for others
        ends, unless `revoke_keys` is `false`; your own only if it is `true`. For another user with a role above
        member, the key needs the scope `users:grant` as well.

        Scope: `users:write`. Members can only access themselves.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            password: A password of 8 to 256 characters. Passwords that are easy to guess are rejected: common
                ones, and those made of a common word or the user's name or email, with digits or signs. Nothing
                is truncated.
            current_password: The user's current password. At most 256 characters.
            revoke_keys: Whether the user's API keys are revoked and their webhooks disabled, and what they
                created for others ends. Default: `true` for another user, `false` for yourself.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            WrongPassword: The email or the password is wrong.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> client.users.set_password(
            ...     "user_065n18a8k1rnhbvqalm9j3ts0c",
            ...     password="another-good-one",
            ...     current_password="securepassword123",
            ... )
        """
        return self._call(
            build(
                "PUT",
                f"/v1/users/{segment(user_id)}/password",
                query={"dry_run": dry_run},
                body={"password": password, "current_password": current_password, "revoke_keys": revoke_keys},
            ),
            nothing,
        )

    def list_tokens(self, user_id: str) -> Sequence[Token]:
        """List a user's open tokens.

        Returns the tokens that can still be used, oldest first, without `token` and `url`. There is at most one
        of each purpose.

        Scope: `tokens:create`.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> client.users.list_tokens("user_065n18a8k1rnhbvqalm9j3ts0c")
        """
        return self._call(build("GET", f"/v1/users/{segment(user_id)}/tokens"), list_of(Token))

    def create_token(
        self,
        user_id: str,
        *,
        purpose: str,
        expires_in: int | Omit = OMIT,
        redirect_url: str | Omit = OMIT,
        email: str | Omit = OMIT,
        data: Mapping[str, Any] | None | Omit = OMIT,
        language: str | Omit = OMIT,
        send: bool | Omit = OMIT,
        reason: str | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Token:
        """Create a one-time token.

        Send `url` to the user: it leads to a page of Rollbook. Or hand out `token` in a link to your own
        application, which calls `POST /v1/tokens/consume`. Both are returned only once, or not at all with
        `send`: then Rollbook mails it to the user, or to the new email of `change_email`. A newer token of the
        same purpose ends the older one; to suspend or delete the user, or to change their email or role, ends
        all. For a user with a role above member, the key needs the scope `users:grant` as well. `impersonate`
        needs the scope `users:impersonate`, lasts at most an hour with the session it opens, is for users with
        a lower role than yours, and works in the dashboard only for you.

        Scope: `tokens:create`.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            purpose: `invite`: An invited user sets their first password. `reset_password`: Sets a password, for
                users who have forgotten theirs or have none yet. `verify_email`: Confirms the user's email.
                `change_email`: Changes the user's email to `email`, and confirms it. `sign_in`: Signs the user
                in without a password. `impersonate`: Lets whoever created it act as the user, for support.
            expires_in: Seconds until it expires, at most 30 days. Default: by its purpose. 1 to 2,592,000.
            redirect_url: The page that the person continues to, instead of the dashboard: a URL at an origin of
                the server's setting `redirect_origins`, or on `localhost` or `127.0.0.1` with any port. 9 to
                1,024 characters.
            email: The new email. Required for `change_email`, and only for that. 3 to 254 characters.
            data: A JSON object with your own data, at most 4 KiB. It is returned when the token is consumed,
                and in events: no place for secrets. Null: as if it were missing.
            language: Language of the page. Default: the one that the browser prefers. One of `de`, `en`, `es`,
                `fr`, `ja`, `pt`.
            send: Whether Rollbook mails it to the user. `token` and `url` are then not returned. Needs the
                setting `smtp`. Default: `false`.
            reason: Why you act as the user, which they see. Required for `impersonate`, and only for that. At
                most 200 characters.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            EmailTaken: Emails ignore case, but plus tags and dots matter.
            NotYourself: You can't delete or suspend yourself, nor change your own email by SCIM.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> token = client.users.create_token(
            ...     "user_065n18a8k1rnhbvqalm9j3ts0c",
            ...     purpose="verify_email",
            ...     redirect_url="https://app.example.com/welcome",
            ...     data={"plan": "pro"},
            ... )
            >>> token.id
            'tok_065n19t5rh1ut9c6n8p2q4v7eg'
        """
        return self._call(
            build(
                "POST",
                f"/v1/users/{segment(user_id)}/tokens",
                query={"dry_run": dry_run},
                body={
                    "purpose": purpose,
                    "expires_in": expires_in,
                    "redirect_url": redirect_url,
                    "email": email,
                    "data": data,
                    "language": language,
                    "send": send,
                    "reason": reason,
                },
                idempotency_key=idempotency_key,
            ),
            one_of(Token),
        )

    def revoke_token(self, user_id: str, token_id: str, *, dry_run: bool | None = None) -> None:
        """Revoke a token.

        It can't be used anymore.

        Scope: `tokens:create`.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.
            token_id: ID of the token.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> client.users.revoke_token("user_065n18a8k1rnhbvqalm9j3ts0c", "tok_065n19t5rh1ut9c6n8p2q4v7eg")
        """
        return self._call(
            build("DELETE", f"/v1/users/{segment(user_id)}/tokens/{segment(token_id)}", query={"dry_run": dry_run}),
            nothing,
        )

    def export(self, user_id: str) -> Export:
        """Export a user.

        Returns all data about a user: their fields (`private_metadata` only for callers who can read all
        users), API keys, one-time tokens and second factors (without the secrets), sessions, groups, what
        identity providers keep about them, and events. Changes made by others don't say who made them. You can
        run one export at a time.

        Scope: `users:export`. Members can only access themselves.

        Args:
            user_id: ID of the user, or `me` for the user the API key belongs to.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            ExportRunning: Read the first one to its end, or close its connection.

        Example:
            >>> export = client.users.export("user_065n18a8k1rnhbvqalm9j3ts0c")
        """
        return self._call(build("GET", f"/v1/users/{segment(user_id)}/export"), one_of(Export))

    @property
    def with_raw_response(self) -> UsersWithRawResponse:
        """Calls that return the response with its headers."""
        return UsersWithRawResponse(self._client)


class UsersWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Users(client, raw=True)
        self.list = raw_page(found.list)
        self.create = raw(found.create)
        self.count = raw(found.count)
        self.get = raw(found.get)
        self.put = raw(found.put)
        self.update = raw(found.update)
        self.delete = raw(found.delete)
        self.suspend = raw(found.suspend)
        self.activate = raw(found.activate)
        self.adopt = raw(found.adopt)
        self.restore = raw(found.restore)
        self.bulk = raw(found.bulk)
        self.verify_password = raw(found.verify_password)
        self.verify_challenge = raw(found.verify_challenge)
        self.set_password = raw(found.set_password)
        self.list_tokens = raw(found.list_tokens)
        self.create_token = raw(found.create_token)
        self.revoke_token = raw(found.revoke_token)
        self.export = raw(found.export)


class Webhooks(Resource):
    """`client.webhooks`"""

    verify = staticmethod(verify)

    @property
    def deliveries(self) -> WebhooksDeliveries:
        return WebhooksDeliveries(self._client)

    @property
    def replays(self) -> WebhooksReplays:
        return WebhooksReplays(self._client)

    def list(self, *, user: str | None = None, limit: int = 1000, offset: int | None = None) -> Pager[Webhook]:
        """List webhooks.

        Returns webhooks, oldest first, without the secrets: your own or, for admins, all. Pass `user` for those
        of one user.

        Scope: `webhooks:read`. Viewers can only access their own webhooks, members none.

        Args:
            user: Only webhooks of this user. Default: all that you can access. At most 40 characters.
            limit: Items per page; iterating goes on over all pages. 1 to 1,000.
            offset: Number of items to skip. Default: 0.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> for webhook in client.webhooks.list():
            ...     print(webhook.id)
        """
        return self._pages(
            build("GET", "/v1/webhooks", query={"user": user, "limit": limit, "offset": offset}), Webhook, "offset"
        )

    def create(
        self,
        *,
        url: str,
        description: str | Omit = OMIT,
        types: Sequence[EventPattern] | None | Omit = OMIT,
        format: WebhookFormat | Omit = OMIT,
        payload: WebhookPayload | Omit = OMIT,
        ordering: str | Omit = OMIT,
        skip_imports: bool | Omit = OMIT,
        headers: Mapping[str, Any] | None | Omit = OMIT,
        status: WebhookSetStatus | Omit = OMIT,
        user_id: str | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Webhook:
        """Create a webhook.

        From now on, events are sent to the URL, signed with the `secret` in the response (Standard Webhooks). A
        webhook for all types gets its own `webhook.created` event first. It belongs to you, or to `user_id` if
        you are an admin, and is disabled when that user can no longer read events. Also requires the scope
        `events:read`.

        Scope: `webhooks:write`. Viewers can only access their own webhooks, members none.

        Args:
            url: The place that events are sent to: an `https` URL, or `inbox` to look at them in the dashboard.
                `http` and private addresses only if the server's setting `webhook_allow` has their network. Of
                a chat's URL, only the host is shown. If you send that back, the URL stays unchanged. 5 to 2,048
                characters.
            description: What you use the webhook for. At most 255 characters.
            types: The events to send. Null: as if it were missing.
            format: `standard`: the event as `GET /v1/events` shows it. `cloudevents`: CloudEvents 1.0. `ocsf`:
                OCSF 1.5, for a SIEM. `slack`, `discord`, `teams`: a sentence for people, in the format of these
                chats' incoming webhooks. Default: `standard`.
            payload: `full`: the whole event. `thin`: only its ID, type, time and the IDs of the user and the
                object, for receivers that should not get personal data. Default: `full`.
            ordering: `user`: a user's events arrive in order, so while one fails, that user's later events
                wait. `none`: events arrive in any order, and none waits for another. Default: `user`.
            skip_imports: `true`: leave out the events of imports, except `import.finished`. Default: `false`.
            headers: Headers to send with each event, at most 20, by name. Names and values have at most 4 KiB
                together. Values are never returned. Null: as if it were missing.
            status: `paused`: nothing is sent until you enable it again. Default for a new webhook: `enabled`.
            user_id: ID of the user the webhook belongs to. Default for a new webhook: yourself. At most 40
                characters.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            WebhookLimitReached: Delete webhooks that are no longer used.

        Example:
            >>> webhook = client.webhooks.create(url="https://app.example.com/hooks/rollbook", types=["user.*"])
            >>> webhook.id
            'webhook_065n1avd4p1q9h2v5c8m3k7r6g'
        """
        return self._call(
            build(
                "POST",
                "/v1/webhooks",
                query={"dry_run": dry_run},
                body={
                    "url": url,
                    "description": description,
                    "types": types,
                    "format": format,
                    "payload": payload,
                    "ordering": ordering,
                    "skip_imports": skip_imports,
                    "headers": headers,
                    "status": status,
                    "user_id": user_id,
                },
                idempotency_key=idempotency_key,
            ),
            one_of(Webhook),
        )

    def get(self, webhook_id: str) -> Webhook:
        """Get a webhook.

        Returns the webhook without its secret and the values of its headers. `health` says how deliveries are
        going.

        Scope: `webhooks:read`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> webhook = client.webhooks.get("webhook_065n1avd4p1q9h2v5c8m3k7r6g")
            >>> webhook.id
            'webhook_065n1avd4p1q9h2v5c8m3k7r6g'
        """
        return self._call(build("GET", f"/v1/webhooks/{segment(webhook_id)}"), one_of(Webhook))

    def update(
        self,
        webhook_id: str,
        *,
        url: str | Omit = OMIT,
        description: str | Omit = OMIT,
        types: Sequence[EventPattern] | None | Omit = OMIT,
        format: WebhookFormat | Omit = OMIT,
        payload: WebhookPayload | Omit = OMIT,
        ordering: str | Omit = OMIT,
        skip_imports: bool | Omit = OMIT,
        headers: Mapping[str, Any] | None | Omit = OMIT,
        status: WebhookSetStatus | Omit = OMIT,
        user_id: str | Omit = OMIT,
        from_: str | Omit = OMIT,
        dry_run: bool | None = None,
        if_match: str | None = None,
    ) -> Webhook:
        """Update a webhook.

        Fields you don't send are left unchanged. `headers` are merged, and null removes a header. A new `url`
        removes all headers that you don't send with it. Events that have not been delivered yet are sent with
        the new settings.

        While the `status` is `paused`, nothing is sent, and nothing is lost, as long as the events are in the
        event log. To resume a webhook that was paused or disabled, send `enabled`: what happened in the
        meantime is sent then, in order. To start elsewhere, send `from`, too: `now` skips these events, an
        earlier time or event sends events again. To change `url`, `types`, `format` or `payload`, the key also
        needs the scope `events:read`. Admins can give the webhook to another user: the response then has a new
        `secret`, and events are signed with the old one as well for 24 hours. With `If-Match`, the update only
        succeeds if the webhook still has that version.

        Scope: `webhooks:write`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            url: The place that events are sent to: an `https` URL, or `inbox` to look at them in the dashboard.
                `http` and private addresses only if the server's setting `webhook_allow` has their network. Of
                a chat's URL, only the host is shown. If you send that back, the URL stays unchanged. 5 to 2,048
                characters.
            description: What you use the webhook for. At most 255 characters.
            types: The events to send. Null: as if it were missing.
            format: `standard`: the event as `GET /v1/events` shows it. `cloudevents`: CloudEvents 1.0. `ocsf`:
                OCSF 1.5, for a SIEM. `slack`, `discord`, `teams`: a sentence for people, in the format of these
                chats' incoming webhooks. Default: `standard`.
            payload: `full`: the whole event. `thin`: only its ID, type, time and the IDs of the user and the
                object, for receivers that should not get personal data. Default: `full`.
            ordering: `user`: a user's events arrive in order, so while one fails, that user's later events
                wait. `none`: events arrive in any order, and none waits for another. Default: `user`.
            skip_imports: `true`: leave out the events of imports, except `import.finished`. Default: `false`.
            headers: Headers to send with each event, at most 20, by name. Names and values have at most 4 KiB
                together. Values are never returned. Null: as if it were missing.
            status: `paused`: nothing is sent until you enable it again. Default for a new webhook: `enabled`.
            user_id: ID of the user the webhook belongs to. Default for a new webhook: yourself. At most 40
                characters.
            from_: Where a webhook goes on that `status` enables: `cursor`, with everything that happened since
                it stopped; `now`, without it; an RFC 3339 time; or the ID of the first event to send. Default:
                `cursor`. At most 40 characters.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            WebhookLimitReached: Delete webhooks that are no longer used.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PositionExpired: The events are older than the setting `event_retention`.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.

        Example:
            >>> webhook = client.webhooks.update(
            ...     "webhook_065n1avd4p1q9h2v5c8m3k7r6g", types=["user.*", "key.*"], headers={"X-Tenant": "acme"}
            ... )
            >>> webhook.id
            'webhook_065n1avd4p1q9h2v5c8m3k7r6g'
        """
        return self._call(
            build(
                "PATCH",
                f"/v1/webhooks/{segment(webhook_id)}",
                query={"dry_run": dry_run},
                body={
                    "url": url,
                    "description": description,
                    "types": types,
                    "format": format,
                    "payload": payload,
                    "ordering": ordering,
                    "skip_imports": skip_imports,
                    "headers": headers,
                    "status": status,
                    "user_id": user_id,
                    "from": from_,
                },
                headers={"If-Match": if_match},
            ),
            one_of(Webhook),
        )

    def delete(self, webhook_id: str, *, dry_run: bool | None = None, if_match: str | None = None) -> None:
        """Delete a webhook.

        Nothing more is sent, and its deliveries are deleted. To keep it for later, pause it instead.

        Scope: `webhooks:write`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            if_match: Only if the object still has this version, its `etag`.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            PreconditionFailed: Read the object again, apply your change, and send it with the new `ETag`.

        Example:
            >>> client.webhooks.delete("webhook_065n1avd4p1q9h2v5c8m3k7r6g")
        """
        return self._call(
            build(
                "DELETE",
                f"/v1/webhooks/{segment(webhook_id)}",
                query={"dry_run": dry_run},
                headers={"If-Match": if_match},
            ),
            nothing,
        )

    def reveal(self, webhook_id: str, *, password: str | Omit = OMIT, code: str | Omit = OMIT) -> Webhook:
        """Reveal the secret of a webhook.

        Returns the webhook with its secret. Requires your password or, if you have a second factor, a code.

        Scope: `webhooks:write`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            password: Your password. Required unless you have a second factor. At most 256 characters.
            code: A code of your authenticator app, or a recovery code. Required if you have a second factor. 6
                to 64 characters.

        Raises:
            WrongPassword: The email or the password is wrong.
            WrongCode: Each code works once.
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.
            TooManyAttempts: There were too many wrong passwords or codes for this account or from this client.

        Example:
            >>> webhook = client.webhooks.reveal("webhook_065n1avd4p1q9h2v5c8m3k7r6g", password="securepassword123")
            >>> webhook.id
            'webhook_065n1avd4p1q9h2v5c8m3k7r6g'
        """
        return self._call(
            build("POST", f"/v1/webhooks/{segment(webhook_id)}/reveal", body={"password": password, "code": code}),
            one_of(Webhook),
        )

    def rotate_secret(
        self,
        webhook_id: str,
        *,
        overlap: int | Omit = OMIT,
        dry_run: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Webhook:
        """Rotate the secret of a webhook.

        Creates a new secret. For `overlap` seconds, 24 hours by default, events have two signatures, one with
        each secret, so that your application rejects nothing while you change its secret.

        Scope: `webhooks:write`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            overlap: Seconds during which events are signed with the old secret as well, at most 30 days.
                Default: `86400`. 0 to 2,592,000.
            dry_run: `true`: check and answer the request, but keep, send and record nothing. The response has
                `X-Dry-Run: true` and, if something would end, `X-Dry-Run-Ends`: `sessions=3, keys=2,
                webhooks=1`. Default: False.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> webhook = client.webhooks.rotate_secret("webhook_065n1avd4p1q9h2v5c8m3k7r6g", overlap=3600)
            >>> webhook.id
            'webhook_065n1avd4p1q9h2v5c8m3k7r6g'
        """
        return self._call(
            build(
                "POST",
                f"/v1/webhooks/{segment(webhook_id)}/rotate-secret",
                query={"dry_run": dry_run},
                body={"overlap": overlap},
                idempotency_key=idempotency_key,
            ),
            one_of(Webhook),
        )

    def test(self, webhook_id: str, *, type: str | Omit = OMIT, idempotency_key: str | None = None) -> Delivery:
        """Test a webhook.

        Sends an example event immediately, whatever the types of the webhook, even if it is paused or disabled.
        Returns the delivery with its outcome, after up to 15 seconds. The event is not in the event log and is
        not retried.

        Scope: `webhooks:write`. Viewers can only access their own webhooks, members none.

        Args:
            webhook_id: ID of the webhook.
            type: The type of the example event. Default: `server.test`. At most 64 characters.
            idempotency_key: Set it to repeat the call safely from another process, for 24 hours. Default: a new
                one, kept over retries.

        Raises:
            NotFound: The ID is unknown or malformed, the object was deleted, or the path doesn't exist.

        Example:
            >>> delivery = client.webhooks.test("webhook_065n1avd4p1q9h2v5c8m3k7r6g", type="user.created")
            >>> delivery.id
            'dlv_065n1p8d3o1k7f2h9v6c4m5r0g'
        """
        return self._call(
            build(
                "POST", f"/v1/webhooks/{segment(webhook_id)}/test", body={"type": type}, idempotency_key=idempotency_key
            ),
            one_of(Delivery),
        )

    @property
    def with_raw_response(self) -> WebhooksWithRawResponse:
        """Calls that return the response with its headers."""
        return WebhooksWithRawResponse(self._client)


class WebhooksWithRawResponse:
    def __init__(self, client: Rollbook) -> None:
        found = Webhooks(client, raw=True)
        self.list = raw_page(found.list)
        self.create = raw(found.create)
        self.get = raw(found.get)
        self.update = raw(found.update)
        self.delete = raw(found.delete)
        self.reveal = raw(found.reveal)
        self.rotate_secret = raw(found.rotate_secret)
        self.test = raw(found.test)


class Resources:
    """What a client has calls for."""

    @property
    def users(self) -> Users:
        return Users(cast("Rollbook", self))

    @property
    def tokens(self) -> Tokens:
        return Tokens(cast("Rollbook", self))

    @property
    def exports(self) -> Exports:
        return Exports(cast("Rollbook", self))

    @property
    def applications(self) -> Applications:
        return Applications(cast("Rollbook", self))

    @property
    def groups(self) -> Groups:
        return Groups(cast("Rollbook", self))

    @property
    def keys(self) -> Keys:
        return Keys(cast("Rollbook", self))

    @property
    def sessions(self) -> Sessions:
        return Sessions(cast("Rollbook", self))

    @property
    def webhooks(self) -> Webhooks:
        return Webhooks(cast("Rollbook", self))

    @property
    def bulk_jobs(self) -> BulkJobs:
        return BulkJobs(cast("Rollbook", self))

    @property
    def rules(self) -> Rules:
        return Rules(cast("Rollbook", self))

    @property
    def events(self) -> Events:
        return Events(cast("Rollbook", self))

    @property
    def imports(self) -> Imports:
        return Imports(cast("Rollbook", self))

    @property
    def requests(self) -> Requests:
        return Requests(cast("Rollbook", self))

    @property
    def usage(self) -> Usage:
        return Usage(cast("Rollbook", self))

    @property
    def server(self) -> Server:
        return Server(cast("Rollbook", self))
