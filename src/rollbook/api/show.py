"""Responses made of the results of actions: JSON bodies, entity tags, links, created resources."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import UNSET
from msgspec.structs import astuple, replace

from rollbook import clock
from rollbook.actions import arguments
from rollbook.actions.app_sessions import IssuedSession
from rollbook.actions.bulk_jobs import Results, UserResult, result_of
from rollbook.actions.checking import metadata_pair
from rollbook.actions.context import ListPage
from rollbook.actions.groups import GroupPage, MemberPage, Put
from rollbook.actions.imports import ImportDetails, RefusedRows, Report
from rollbook.actions.keys import IssuedKey, KeyPage
from rollbook.actions.reverting import Reverted
from rollbook.actions.second_factors import ActivatedFactor, EnrolledFactor, Factors, VerifiedFactor
from rollbook.actions.tokens import Consumed, IssuedToken
from rollbook.actions.usage import RequestPage, Usage
from rollbook.actions.users import PersonalExport, presented, sort_of
from rollbook.actions.webhook_deliveries import DeliveryDetails
from rollbook.actions.webhooks import WebhookDetails
from rollbook.api import files, paging, types
from rollbook.api.call import Call
from rollbook.auth import tokens
from rollbook.http.coding import known_tag
from rollbook.http.request import JSON, LOCKED, PRIVATE, Response, Stream, line
from rollbook.records import bulk_jobs as bulk_job_records
from rollbook.records import (
    events,
    groups,
    imports,
    keys,
    one_time_tokens,
    request_log,
    sessions,
    user_list,
    webhooks,
)
from rollbook.records import second_factors as factor_records
from rollbook.records.app_sessions import Verified
from rollbook.records.bulk_jobs import BulkJob, Refused
from rollbook.records.events import Event, EventPage
from rollbook.records.groups import Group, Member
from rollbook.records.imports import Import
from rollbook.records.keys import Key
from rollbook.records.one_time_tokens import Token
from rollbook.records.request_log import Logged
from rollbook.records.second_factors import SecondFactor
from rollbook.records.usage import Hour, OfKey, OfRoute, OfUser
from rollbook.records.user_history import UserAsOf
from rollbook.records.user_list import UserPage
from rollbook.records.user_list.query import Position
from rollbook.records.users import User
from rollbook.records.webhooks import deliveries, health, replays
from rollbook.records.webhooks.deliveries import Delivery
from rollbook.records.webhooks.replays import Replay

encode = msgspec.json.Encoder().encode
_JSON_HEAD = JSON + PRIVATE


def answer(status: int, content: Any, head: bytes = b"") -> Response:
    return Response(status, _JSON_HEAD + head, encode(content))


def nothing(call: Call, result: None) -> Response:
    return Response(204, PRIVATE)


def accepted(call: Call, result: None) -> Response:
    return Response(202, LOCKED + PRIVATE)


def page(shown: Callable[[Any], Any]) -> Callable[[Call, ListPage[Any]], Response]:
    """A list of items that are counted, each as `shown` shows it."""

    def show(call: Call, found: ListPage[Any]) -> Response:
        return answer(200, [shown(each) for each in found.items], _total(found.total))

    return show


# ---- users


def user_page(call: Call, page: user_list.UserPage) -> Response:
    query: types.ListUsers | types.ListApplications = call.query
    if page.json is not None:
        body = page.json
    elif query.fields is None:
        body = encode(
            [types.User(id, name, email, created_at=clock.format_time(at)) for _, id, name, email, at in page.rows]
        )
    else:
        body = encode([_chosen(user, query.fields) for user in user_list.public(page)])
    head = paging.links(
        call.services.base_url(call.request) + call.request.path,
        [] if page.json is not None and query.consistency is None else _parameters(query),
        query.limit,
        page,
        lambda at: paging.cursor(call.services.secret, sort_of(query), at),
    )
    head += event_position(page.position)
    if page.total is not None:
        head += b"X-Total-Count: %d\r\n" % page.total
    return Response(200, _JSON_HEAD + head, body)


def _parameters(query: types.ListUsers | types.ListApplications) -> list[tuple[str, str]]:
    """Query parameters that the links to other pages repeat."""
    found: list[tuple[str, str]] = []
    for name in _REPEATED:
        value = getattr(query, name, None)
        if value is None:
            continue
        if name == "metadata":
            found.append((name, ",".join([metadata_pair(key, text) for key, text in value])))
        else:
            found.append((name, "*" if name == "fields" and value == types.USER_FIELDS else _text(value)))
    return found


_REPEATED = ("sort", "fields", *arguments.UserFilters.__struct_fields__, "count", "consistency")


def count(call: Call, users: int) -> Response:
    return answer(200, types.Count(users))


def user(call: Call, found: User | UserAsOf) -> Response:
    """All that is kept of one, unless the caller has this version already (If-None-Match)."""
    if isinstance(found, UserAsOf):
        return _user_as_of(found, call.query.fields)
    if (unchanged := _unless_known(call, found.version)) is not None:
        return unchanged
    fields = call.query.fields
    shown = presented(call.by, found)
    return answer(200, shown if fields is None else _chosen(shown, fields), etag(found.version))


def _user_as_of(found: UserAsOf, fields: tuple[str, ...] | None) -> Response:
    known: dict[str, Any] = dict(found.fields) if fields is None else _chosen(found.fields, fields)
    unknown = [name for name in found.unknown if fields is None or name in fields]
    return answer(200, known | ({"unknown_fields": unknown} if unknown else {}))


def _unless_known(call: Call, version: int) -> Response | None:
    """304 for a caller who has this version already."""
    request = call.request
    if b"if-none-match" in request.headers and (known := known_tag(request, str(version))) is not None:
        return Response(304, line("ETag", f'"{known}"'))
    return None


def user_listed(call: Call, user: User) -> Response:
    return _user(call, user, is_new=True)


def user_updated(call: Call, user: User) -> Response:
    return _user(call, user, is_new=False)


def _user(call: Call, user: User, is_new: bool) -> Response:
    """The fields that were asked for, or else the usual ones."""
    fields = None if call.query is None else call.query.fields
    return answer(
        200, listed(user, is_new) if fields is None else _chosen(presented(call.by, user), fields), etag(user.version)
    )


def listed(user: User, is_new: bool) -> types.User:
    """The usual fields, with when the user was created, or else updated."""
    if is_new:
        return types.User(user.id, user.name, user.email, created_at=clock.format_time(user.created_at))
    return types.User(user.id, user.name, user.email, updated_at=clock.format_time(user.updated_at))


def user_created(call: Call, user: User) -> Response:
    return _created(call, f"/v1/users/{user.id}", user_listed(call, user))


def application_created(call: Call, user: User) -> Response:
    return _created(call, f"/v1/applications/{user.id}", user_listed(call, user))


def password_link(call: Call, link: IssuedToken) -> Response:
    return answer(201, types.PasswordLink(_url(call, link), clock.format_time(link.token.expires_at)))


def token_created(call: Call, made: IssuedToken) -> Response:
    return answer(201, token_with_text(call, made))


def token_with_text(call: Call, made: IssuedToken) -> dict[str, Any]:
    """A token that was created just now, with what is shown at no other time, and not at all if it is mailed."""
    if not made.text:
        return one_time_tokens.public(made.token)
    return one_time_tokens.public(made.token) | {"token": made.text, "url": _url(call, made)}


def _url(call: Call, made: IssuedToken) -> str:
    return tokens.link_url(call.services.url, made.token.purpose, made.text)


def token_list(call: Call, found: list[Token]) -> Response:
    return answer(200, [one_time_tokens.public(each) for each in found])


def token_consumed(call: Call, used: Consumed) -> Response:
    token = one_time_tokens.public(used.token)
    shown = {name: token[name] for name in types.UsedToken.__struct_fields__}
    return answer(200, presented(call.by, used.user) | {"token": shown}, etag(used.user.version))


# ---- second factors


def second_factors(call: Call, found: Factors) -> Response:
    return answer(200, types.SecondFactors([_factor(each) for each in found.factors], found.recovery_codes_left))


def second_factor(call: Call, found: SecondFactor) -> Response:
    return answer(200, _factor(found))


def second_factor_created(call: Call, made: EnrolledFactor) -> Response:
    shown = types.SecondFactor(**factor_records.public(made.factor), secret=made.secret, otpauth_url=made.otpauth_url)
    path = f"/v1/users/{made.factor.user_id}/second-factors/{made.factor.id}"
    return _created(call, path, answer(201, shown))


def second_factor_activated(call: Call, active: ActivatedFactor) -> Response:
    codes = active.recovery_codes or UNSET
    return answer(200, types.SecondFactor(**factor_records.public(active.factor), recovery_codes=codes))


def _factor(found: SecondFactor) -> types.SecondFactor:
    return types.SecondFactor(**factor_records.public(found))


def recovery_codes(call: Call, codes: tuple[str, ...]) -> Response:
    return answer(200, types.RecoveryCodes(codes))


def verified_code(call: Call, verified: VerifiedFactor) -> Response:
    return answer(200, types.VerifiedCode(*verified))


def export(call: Call, held: PersonalExport) -> Response:
    return Response(200, _JSON_HEAD + event_position(held.position), stream=Stream(export_document(held)))


async def export_document(held: PersonalExport, indented: bool = False) -> AsyncGenerator[bytes, None]:
    """A `types.Export` in JSON, piece by piece; `indented` for people."""
    write, colon, comma, close = (_indent, b": ", b",\n  ", b"\n  ]") if indented else (encode, b":", b",", b"]")
    lists: tuple[tuple[bytes, AsyncGenerator[list[Any], None], Callable[[Any], Any]], ...] = (
        (b'"keys"', held.keys, keys.public),
        (b'"tokens"', held.tokens, one_time_tokens.public),
        (b'"sessions"', held.sessions, sessions.public),
        (b'"second_factors"', held.second_factors, factor_records.public),
        (b'"groups"', held.groups, groups.public_membership),
        (b'"scim"', held.scim, lambda each: each._asdict()),
        (b'"events"', held.events, events.public),
    )
    try:
        yield (b"{\n  " if indented else b"{") + b'"user"' + colon + write(types.User(**held.user))
        for name, parts, public in lists:
            start = comma + name + colon + b"["
            is_empty = True
            async with aclosing(parts):
                async for part in parts:
                    yield start + write([public(each) for each in part])[1:-1].rstrip()
                    start, is_empty = b",", False
            yield start + b"]" if is_empty else close
        yield b"\n}" if indented else b"}"
    finally:
        held.turn.end()


def _indent(content: Any) -> bytes:
    """Indent JSON as a value of an indented object."""
    return for_people(encode(content)).replace(b"\n", b"\n  ")


def for_people(document: bytes) -> bytes:
    """JSON, indented."""
    return msgspec.json.format(document, indent=2)


def pretty(text: str) -> str:
    """Indented, where it is JSON that is not nested too deeply to be read."""
    try:
        return for_people(text.encode()).decode()
    except (msgspec.DecodeError, RecursionError):
        return text


def etag(version: int) -> bytes:
    """A version as a strong entity tag (RFC 9110 section 8.8.3)."""
    return b'ETag: "%d"\r\n' % version


def _chosen(found: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: found[name] for name in types.USER_FIELDS if name in found and (name in fields or name in types.ALWAYS)
    }


# ---- groups


def group_list(call: Call, page: GroupPage) -> Response:
    shown = [groups.public(each) for each in page.groups]
    if page.roles is not None:
        shown = [each | {"role": page.roles.get(each["id"], "")} for each in shown]
    return answer(200, shown, _total(page.total))


def group(call: Call, found: Group) -> Response:
    """The group, unless the caller has this version already (If-None-Match)."""
    return _unless_known(call, found.version) or group_changed(call, found)


def group_changed(call: Call, found: Group) -> Response:
    return answer(200, groups.public(found), etag(found.version))


def group_created(call: Call, made: Group) -> Response:
    return _created(call, f"/v1/groups/{made.id}", group_changed(call, made))


def member_list(call: Call, page: MemberPage) -> Response:
    path = call.request.path.rstrip("/")
    after = Position((page.members[-1].seq,), False) if page.more else None
    head = paging.links(
        call.services.base_url(call.request) + path,
        [],
        call.query.limit,
        UserPage([], None, None, None, after),
        lambda at: paging.cursor(call.services.secret, None, at),
    )
    return answer(200, [groups.public_member(each) for each in page.members], head + _total(page.total))


def member(call: Call, found: Member) -> Response:
    return answer(200, groups.public_member(found))


def members_added(call: Call, put: Put) -> Response:
    return answer(200, types.AddedMembers(put.added, put.changed, put.unchanged))


# ---- keys and sessions


def _key(key: Key) -> dict[str, Any]:
    """A key with its origin, which neither events nor the export of a person's data have."""
    return {**keys.public(key), "created_by": key.created_by or None, "created_with": key.created_with}


def key_list(call: Call, found: KeyPage) -> Response:
    shown = [_key(each) for each in found.keys]
    if found.users is not None:
        people = [found.users.get(each.user_id) for each in found.keys]
        shown = [
            each | {"user_name": user and user.name, "user_email": user and user.email, "user_kind": user and user.kind}
            for each, user in zip(shown, people, strict=True)
        ]
    after = call.query.offset + len(shown)
    link = paging.after(call, after) if shown and after < found.total else b""
    return answer(200, shown, _total(found.total) + link)


def key(call: Call, key: Key) -> Response:
    return answer(200, _key(key))


def key_revealed(call: Call, issued: IssuedKey) -> Response:
    return answer(200, {**_key(issued.key), "key": issued.token})


def key_created(call: Call, issued: IssuedKey) -> Response:
    return _created(call, f"/v1/keys/{issued.key.id}", key_revealed(call, issued))


session_list = page(sessions.public)


def session_created(call: Call, issued: IssuedSession) -> Response:
    return _created(call, f"/v1/sessions/{issued.session.id}", session_refreshed(call, issued))


def session_refreshed(call: Call, issued: IssuedSession) -> Response:
    found = sessions.public(issued.session)
    shown = types.SessionTokens(
        found["id"],
        found["user_id"],
        found["audience"],
        issued.token,
        issued.refresh_token,
        found["expires_at"],
        found["refresh_expires_at"],
        types.User(**presented(call.by, issued.user)),
        UNSET if issued.access is None else issued.access.text,
        UNSET if issued.access is None else clock.format_time(issued.access.expires_at),
    )
    return answer(200, shown)


def session_verified(call: Call, found: Verified) -> Response:
    if found.user is None:
        user = types.User(found.user_id, found.name, found.email)
    else:
        user = types.User(**_chosen(presented(call.by, found.user), call.query.fields))
    expires_at = clock.format_time(found.expires_at)
    return answer(200, types.VerifiedSession(found.id, found.user_id, found.audience, expires_at, user))


# ---- imports


def import_list(call: Call, found: list[Import]) -> Response:
    return answer(200, [_import(call, each) for each in found])


def import_(call: Call, found: Import) -> Response:
    return answer(200, _import(call, found))


def import_created(call: Call, made: Import) -> Response:
    return _created(call, f"/v1/imports/{made.id}", answer(201, _import(call, made)))


def import_details(call: Call, found: ImportDetails) -> Response:
    shown = _import(call, found.found)
    if found.facts is not None:
        columns = [types.ImportColumn(*astuple(column)) for column in found.facts.columns]
        shown = replace(shown, encoding=found.facts.encoding, columns=columns)
    return answer(200, shown)


def _import(call: Call, found: Import) -> types.Import:
    url = f"{call.services.base_url(call.request)}/v1/imports/{found.id}/report"
    return types.Import(**imports.public(found), report_url=url)


def import_report(call: Call, report: Report | RefusedRows) -> Response:
    if isinstance(report, RefusedRows):
        return _file(files.content_type(report.facts), report_rows(report))
    if report.format == "csv":
        return _file(files.CONTENT_TYPE, report_csv(report))
    return _file("application/x-ndjson", report_ndjson(report))


def _file(kind: str, parts: AsyncGenerator[bytes, None]) -> Response:
    return Response(200, LOCKED + PRIVATE + line("Content-Type", kind), stream=Stream(parts))


async def report_rows(report: RefusedRows) -> AsyncGenerator[bytes, None]:
    yield files.head(report.facts)
    async with aclosing(report.parts) as parts:
        async for part in parts:
            yield files.lines(report.facts, part)


async def report_ndjson(report: Report) -> AsyncGenerator[bytes, None]:
    async with aclosing(report.parts) as parts:
        async for part in parts:
            yield b"".join([encode(refusal._asdict()) + b"\n" for refusal in part])


async def report_csv(report: Report) -> AsyncGenerator[bytes, None]:
    """RFC 4180. What a spreadsheet would take for a formula, it gets as text."""
    yield b"line,field,code,reason,user_id\r\n"
    async with aclosing(report.parts) as parts:
        async for part in parts:
            yield files.write_rows([[str(cell or "") for cell in refusal] for refusal in part])


# ---- bulk jobs

BULK_RESULTS = ("user_id", "name", "email", "result", "code", "reason", "url", "expires_at")


def bulk_job_list(call: Call, found: list[BulkJob]) -> Response:
    return answer(200, [_bulk_job(call, each) for each in found])


def bulk_job(call: Call, found: BulkJob) -> Response:
    return answer(200, _bulk_job(call, found))


def bulk_job_created(call: Call, made: BulkJob) -> Response:
    return _created(call, f"/v1/bulk-jobs/{made.id}", answer(201, _bulk_job(call, made)))


def _bulk_job(call: Call, found: BulkJob) -> types.BulkJob:
    url = f"{call.services.base_url(call.request)}/v1/bulk-jobs/{found.id}/results"
    return types.BulkJob(**bulk_job_records.public(found), results_url=url)


def bulk_job_results(call: Call, results: Results) -> Response:
    if results.format == "csv":
        return _file(files.CONTENT_TYPE, bulk_results_csv(results, call.services.url))
    return _file("application/x-ndjson", bulk_results_ndjson(results, call.services.url))


async def bulk_results_ndjson(results: Results, base_url: str) -> AsyncGenerator[bytes, None]:
    async with aclosing(results.parts) as parts:
        async for part in parts:
            rows = [dict(zip(BULK_RESULTS, _bulk_result(each, base_url), strict=True)) for each in part]
            yield b"".join([encode(row) + b"\n" for row in rows])


async def bulk_results_csv(results: Results, base_url: str) -> AsyncGenerator[bytes, None]:
    """RFC 4180. What a spreadsheet would take for a formula, it gets as text."""
    yield f"{','.join(BULK_RESULTS)}\r\n".encode()
    async with aclosing(results.parts) as parts:
        async for part in parts:
            yield files.write_rows([[cell or "" for cell in _bulk_result(each, base_url)] for each in part])


def _bulk_result(found: UserResult, base_url: str) -> tuple[str | None, ...]:
    """Values of BULK_RESULTS."""
    code, reason = found.outcome if isinstance(found.outcome, Refused) else (None, None)
    url = expires_at = None
    if (link := found.link) is not None:
        url, expires_at = tokens.link_url(base_url, link.purpose, link.text), clock.format_time(link.expires_at)
    return found.user_id, found.name, found.email, result_of(found.outcome), code, reason, url, expires_at


# ---- webhooks


def webhook(call: Call, seen: WebhookDetails) -> Response:
    return answer(200, _webhook(seen), etag(seen.webhook.version))


def webhook_created(call: Call, seen: WebhookDetails) -> Response:
    return _created(call, f"/v1/webhooks/{seen.webhook.id}", webhook(call, seen))


def _webhook(seen: WebhookDetails) -> types.Webhook:
    doing = types.WebhookHealth(**health.public(seen.health), summary=seen.cause.sentence)
    return types.Webhook(
        **webhooks.public(seen.webhook), health=doing, secret=UNSET if seen.secret is None else seen.secret
    )


webhook_list = page(_webhook)


def delivery_list(call: Call, found: ListPage[Delivery]) -> Response:
    head = _next_page(call, call.request.path.rstrip("/"), before=found.items[-1].id) if found.more else b""
    return answer(200, [deliveries.public(each) for each in found.items], head)


def delivery(call: Call, whole: DeliveryDetails) -> Response:
    request, kept = whole.request, whole.delivery
    response = None if kept.http_status is None else types.DeliveryResponse(kept.response_type, kept.response or "")
    shown = deliveries.public(kept) | {
        "request": None if request is None else types.DeliveryRequest(*request),
        "response": response,
    }
    return answer(200, shown)


replay_list = page(replays.public)


def replay(call: Call, replay: Replay) -> Response:
    return answer(200, replays.public(replay))


def replay_created(call: Call, made: Replay) -> Response:
    return _created(call, f"/v1/webhooks/{made.webhook_id}/replays/{made.id}", replay(call, made))


# ---- events


def event(call: Call, found: Event) -> Response:
    return answer(200, events.public(found))


def reverted(call: Call, found: Reverted) -> Response:
    kept = [types.NotReverted(*each) for each in found.kept]
    event = found.event
    return answer(200, types.RevertedEvent(event.id, event.type, event.user_id or None, found.values, kept))


def event_list(call: Call, page: EventPage) -> Response:
    head = event_position(page.position)
    if page.more:
        last = page.events[-1].id if page.searched_to is None else str(page.searched_to)
        head += _next_page(call, "/v1/events", **{_goes_on(call): last})
    return answer(200, [events.public(each) for each in page.events], head)


def request_list(call: Call, page: RequestPage) -> Response:
    head = f"Request-Position: {clock.format_time_exactly(page.position)}\r\n".encode()
    if page.next is not None:
        head += _next_page(call, "/v1/requests", **{_goes_on(call): arguments.Time(page.next)})
    base_url = call.services.base_url(call.request)
    return answer(200, [_request(each, base_url) for each in page.requests], head)


def request(call: Call, found: Logged) -> Response:
    return answer(200, _request(found, call.services.base_url(call.request)))


def _request(found: Logged, base_url: str) -> dict[str, Any]:
    return {**request_log.public(found), "error": logged_error(found, base_url)}


def logged_error(found: Logged, base_url: str) -> types.ErrorResponse | None:
    """The body that the request was answered with, as far as the log keeps it."""
    error = found.error
    if error is None:
        return None
    return types.ErrorResponse(
        error=error.message,
        code=error.code,
        request_id=found.request_id,
        doc_url=f"{base_url}/docs/errors/{error.code}",
        param=UNSET if error.param is None else error.param,
        errors=tuple(types.ErrorDetail(param, message) for param, message in error.faults) or UNSET,
    )


def usage(call: Call, found: Usage) -> Response:
    return answer(
        200,
        types.UsageReport(
            user_id=found.user_id,
            period=found.period,
            since=clock.format_time(found.since),
            until=clock.format_time(found.until),
            interval="hour" if found.step == clock.HOUR else "day",
            total=types.UsageCounts(**_counts(found.total)),
            intervals=[types.UsageInterval(at=clock.format_time(each.at), **_counts(each)) for each in found.intervals],
            users=[
                types.UserUsage(user_id=each.user_id, name=found.names.get(each.user_id), **_counts(each))
                for each in found.users
            ],
            keys=[
                types.KeyUsage(
                    key_id=each.key_id, name=found.names.get(each.key_id), user_id=each.user_id, **_counts(each)
                )
                for each in found.keys
            ],
            routes=[
                types.RouteUsage(
                    route=each.route, **_counts(each), p50_ms=each.quantile(0.5), p95_ms=each.quantile(0.95)
                )
                for each in found.routes
            ],
            rate_limits=[types.WindowUsage(window=name, refused=refused) for name, refused in found.windows],
        ),
    )


def _counts(of: Hour | OfUser | OfKey | OfRoute) -> dict[str, int]:
    return {
        "requests": of.requests,
        "client_errors": of.refused,
        "rate_limited": of.limited,
        "server_errors": of.errors,
    }


def _goes_on(call: Call) -> str:
    """The parameter that says where the next page of a log begins."""
    return "after" if call.query.order == "asc" else "before"


def _next_page(call: Call, path: str, **instead: Any) -> bytes:
    """The header `Link` to the next page: the same query, but for these parameters, and without waiting."""
    asked = {name: getattr(call.query, name) for name in call.query.__struct_fields__ if name != "wait"} | instead
    query = "&".join(f"{name}={quote(_text(value), safe=',*:/')}" for name, value in asked.items() if value is not None)
    return f'Link: <{call.services.base_url(call.request)}{path}?{query}>; rel="next"\r\n'.encode()


def _text(value: Any) -> str:
    """The value of a parameter as it is asked for."""
    if isinstance(value, arguments.Time):
        return clock.format_time_exactly(value)
    return ",".join(value) if isinstance(value, tuple) else str(value)


def event_position(position: int) -> bytes:
    return b"Event-Position: %d\r\n" % position


def _total(number: int) -> bytes:
    return b"X-Total-Count: %d\r\n" % number


def _created(call: Call, path: str, response: Response) -> Response:
    """201 with the URL of what was made (RFC 9110 section 15.3.2)."""
    return Response(
        201, response.head + f"Location: {call.services.base_url(call.request)}{path}\r\n".encode(), response.body
    )
