"""Builds the application from the settings. Nothing happens at import."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from rollbook import trace_context
from rollbook.actions import passwords, stored_settings
from rollbook.api.call import About, Services
from rollbook.api.plan import Router
from rollbook.api.routes import ROUTES
from rollbook.config import ConfigurationError, Settings, Source
from rollbook.delivery import outcomes, smtp
from rollbook.errors import ApiError, TooManyAttempts, TooManyRequests
from rollbook.http.body import BodyRule
from rollbook.http.boundary import render
from rollbook.http.coding import Fixed
from rollbook.http.origins import Cors
from rollbook.http.request import Request, Response
from rollbook.http.routing import Answer, Routes
from rollbook.jobs import schedule
from rollbook.jobs.schedule import UsageFlush
from rollbook.jobs.webhooks.dispatcher import Dispatcher
from rollbook.limits import valkey, valkey_address
from rollbook.limits.slots import Slots
from rollbook.limits.table import Table
from rollbook.limits.windows import Limiter
from rollbook.mcp import protocol as mcp
from rollbook.oauth import site as oauth
from rollbook.observe import lines
from rollbook.observe.access import AccessLog
from rollbook.observe.lines import Done
from rollbook.observe.metrics import Metrics
from rollbook.observe.usage_buffer import UsageBuffer
from rollbook.records import rules
from rollbook.records.connect import connect, is_sqlite
from rollbook.records.dialect import dialect
from rollbook.records.webhooks import health as webhook_health
from rollbook.scim import errors as scim_errors
from rollbook.scim import site as scim
from rollbook.web import assets, docs, templates
from rollbook.web.pages import PAGES
from rollbook.web.site import Site

if TYPE_CHECKING:
    from rollbook.observe.spans import Spans

logger = logging.getLogger("rollbook")


class Common(NamedTuple):
    """State that the workers of one server share; created by the parent before it forks."""

    limiter: Limiter
    metrics: Metrics
    slots: Slots
    sources: tuple[Source, ...] = ()
    """The source of each setting."""


def common(settings: Settings, sources: Sequence[Source] = ()) -> Common:
    """Raises ConfigurationError."""
    passwords.check_settings(settings)
    assets.brand_of(settings)
    limiter: Limiter = Table.create(settings.workers)
    if settings.limits:
        try:
            address = valkey_address.parse(settings.limits)
        except ValueError as problem:
            raise ConfigurationError(f"limits: {problem}") from None
        limiter = valkey.build(address, limiter, settings.limits_when_away == "closed")
    if settings.otlp_endpoint:
        _load_spans()
    smtp.check_settings(settings)
    rows = [f"{row.method} {row.path}" for row in (*ROUTES, *mcp.ROWS, *scim.ROWS, *oauth.ROWS, *PAGES)]
    return Common(limiter, Metrics(rows, settings.workers), Slots.create(settings.workers), tuple(sources))


class App:
    """The application of one worker: `answer` for a request, `refuse` for what the transport rejects."""

    def __init__(self, settings: Settings, shared: Common | None = None, worker: int = 0) -> None:
        self.settings = settings
        self.connections = 0
        self._worker = worker
        self._limiter, self._metrics, slots, self._sources = shared or common(settings)
        self._metrics.join(worker)
        slots.join(worker)
        self._url = settings.url
        self._db = connect(settings, committed=self._metrics.commit)
        form = lines.form(settings.log, sys.stdout) if settings.access_log else "none"
        self._access_log = AccessLog(1, form, dropped=lambda count: self._metrics.add("access_lines_dropped", count))
        self._usage_buffer = UsageBuffer(settings.request_retention > 0, worker, settings.workers)
        services = self._services = Services(settings, self._db, self._limiter, self, slots)
        self._secret, self._passwords, self._tail = services.secret, services.passwords, services.tail
        self._feeds, self._deferred = services.feeds, services.deferred_events
        self._router = Router(services)
        self._site = Site(services)
        self._routes = Routes(settings.max_body)
        numbers = {id(row): index for index, row in enumerate(self._add_routes(services))}
        self._done = Done(self._metrics, numbers, self._access_log, self._usage_buffer)
        flush = UsageFlush(self._db, self._usage_buffer, self._done.work_off)
        self._jobs = schedule.jobs(services, self._router.gate, self._site, flush, self._gauge, worker == 0)
        # On SQLite, the first worker sends to all webhooks; on PostgreSQL, workers of all servers share them.
        self._dispatcher = (
            Dispatcher(services, self._count_delivery, lambda: self._done.count)
            if worker == 0 or dialect(self._db).is_shared
            else None
        )
        self._cors = Cors(settings.cors_origins) if settings.cors_origins else None
        self._openapi: asyncio.Task[Fixed] | None = None
        self._valkey = self._limiter if isinstance(self._limiter, valkey.Valkey) else None
        self._reported = {"limiter_evictions": self._limiter.evicted}  # reported by an earlier worker
        self._spans: Spans | None = None

    def _add_routes(self, services: Services) -> list[Any]:
        """Return the rows, in the order of the metrics of `common`."""
        size = self.settings.import_max_size
        calls, pages = _with_room(ROUTES, size), _with_room(PAGES, size)
        self._routes.add(self._router, calls, "/v1")
        self._routes.add(mcp.Mcp(services, self._router.gate), mcp.ROWS, "/mcp")
        self._routes.add(scim.Scim(services, self._router.gate, services.base_url), scim.ROWS, scim.PREFIX)
        self._routes.add(oauth.OAuth(services, self._router.gate), oauth.ROWS)
        self._routes.add(self._site, pages, "/")
        return [*calls, *mcp.ROWS, *scim.ROWS, *oauth.ROWS, *pages]

    async def start(self) -> None:
        with suppress(ApiError):  # the database is away: a job asks again
            await stored_settings.refresh(self._services)
        self._access_log.start(self._worker)
        if self.settings.otlp_endpoint:
            self._spans = self._done.spans = _load_spans()(self.settings.otlp_endpoint)
        self._jobs.start()
        if self._dispatcher is not None:
            self._dispatcher.start()
        if self._valkey is not None:
            await self._valkey.start()
        # Loading these on first use takes up to a tenth of a second: do it before a caller has to wait for it.
        asyncio.get_running_loop().run_in_executor(None, self._warm_up)

    def _warm_up(self) -> None:
        rules.prepare()
        self._secret.seal("keys", b"")
        templates.prepare()
        docs.prepare(self._url)

    async def drain(self) -> None:
        self._feeds.close()
        if self._dispatcher is not None:
            await self._dispatcher.drain(self.settings.drain_timeout)

    async def stop(self) -> None:
        await self._jobs.stop()
        self._tail.stop()
        if self._valkey is not None:
            await self._valkey.stop()
        self._passwords.queue.close()
        await self._db.stop()
        self._done.work_off()
        self._access_log.stop()
        if self._spans is not None:
            self._spans.stop()

    def at_once(self) -> AbstractContextManager[object]:
        return self._db.one_snapshot()

    def body_rule(self, method: str, path: str) -> BodyRule:
        return self._routes.body_rule(method, path)

    def answer(self, request: Request) -> Answer:
        """Returns a response whatever happens, or a coroutine that does where something has to be waited for."""
        if (header := request.headers.get(b"traceparent")) is not None:
            request.trace = trace_context.parse(header)
        if self._spans is not None:
            self._spans.begin(request)
        try:
            answer = self._routes.answer(request)
        except Exception as error:
            return self._refused(error, request)
        if not isinstance(answer, Response):
            return self._waited_for(answer, request)
        if request.trace is not None or self._cors is not None:
            self._add_lines(request)
        return answer

    async def _waited_for(self, coming: Coroutine[Any, Any, Response], request: Request) -> Response:
        try:
            response = await coming
        except Exception as error:
            return await self._refused(error, request)
        self._add_lines(request)
        return response

    async def _refused(self, error: Exception, request: Request) -> Response:
        if not isinstance(error, ApiError):
            logger.error("unexpected error", exc_info=error, extra={"request_id": request.id})
            error = ApiError()
        response = await self._rendered(error, request)
        self._add_lines(request)
        return response

    def _add_lines(self, request: Request) -> None:
        if request.trace is not None:
            request.head += request.trace.line
        if self._cors is not None:
            request.head += self._cors.lines(request.path, request.method, request.headers)

    def finished(self, request: Request, status: int, size: int) -> None:
        self._done.note(request, status, size)

    def refuse(
        self,
        error: ApiError,
        *,
        id: str,
        address: str,
        method: str = "",
        path: str = "",
        headers: dict[bytes, bytes] | None = None,
    ) -> Response:
        """The response to something that never became a request."""
        headers = headers or {}
        cors = b"" if self._cors is None else self._cors.lines(path, method, headers)
        response = scim_errors.render(error, cors) if path.startswith(scim.PREFIX) else None
        response = response or render(error, id, self._url, headers.get(b"accept"), cors)
        self._metrics.add(error.code)
        request = Request(
            method=method,
            path=path,
            query="",
            headers={},
            body=b"",
            address=address,
            secure=False,
            id=id,
            started=time.perf_counter_ns(),
        )
        request.error = error
        self._done.note(request, response.status, len(response.body))
        return response

    async def _rendered(self, error: ApiError, request: Request) -> Response:
        self.count(error, request)
        if request.path.startswith(scim.PREFIX):
            return scim_errors.render(error)
        if request.route and request.method != "GET" and "dry_run=true" in unquote(request.query):
            error.headers["X-Dry-Run"] = "true"
        page = await self._site.error_page(error, request)
        return page or render(error, request.id, self._url, request.headers.get(b"accept"))

    async def _gauge(self) -> bool:
        """Copy values that others keep into the metrics, once a second."""
        metrics, hashing = self._metrics, self._passwords.queue
        metrics.set("connections_open", self.connections)
        metrics.set("hashes_waiting", hashing.waiting)
        metrics.set("writes_waiting", self._db.writes_waiting)
        reported = {"hashes_done": hashing.done, "hashes_refused": hashing.refused}
        reported |= {f"refused_{type}": count for type, count in self._deferred.refused.items()}
        if self._worker == 0:  # the table of several workers is one
            reported["limiter_evictions"] = self._limiter.evicted
        if self._valkey is not None:
            metrics.set("limits_away", 1 if self._valkey.away else 0)
            reported["limits_local"] = self._valkey.locally
        for name, value in reported.items():
            metrics.add(name, value - self._reported.get(name, 0))
        self._reported = reported
        return False

    # ---- Operations

    def count(self, error: ApiError, request: Request) -> None:
        request.error = error
        self._metrics.add(error.code)
        if isinstance(error, TooManyRequests):
            by = "attempts" if isinstance(error, TooManyAttempts) else "address" if request.user_id is None else "user"
            self._metrics.add(f"rate_limited_{by}")
            request.limited_by = request.limited_by or by

    def _count_delivery(self, what: str, outcome: str) -> None:
        self._metrics.add(f"{what}_{'delivered' if outcome == outcomes.DELIVERED else 'failed'}")

    async def metrics(self) -> bytes:
        file = self.settings.sqlite_file
        sizes = (
            ()
            if not is_sqlite(self.settings)
            else (
                ("rollbook_database_size_bytes", "Size of the SQLite database.", _size(file)),
                (
                    "rollbook_database_wal_size_bytes",
                    "Size of its write-ahead log.",
                    _size(file.with_name(f"{file.name}-wal")),
                ),
            )
        )
        return self._metrics.render((*sizes, *await self._webhook_sizes()))

    async def _webhook_sizes(self) -> Sequence[tuple[str, str, int]]:
        try:
            backlog = await self._db.read_aside(webhook_health.backlog)
        except ApiError:  # the other metrics say what is wrong
            return ()
        return (
            ("rollbook_webhooks_enabled", "Webhooks that events are sent to.", backlog.enabled),
            (
                "rollbook_webhooks_disabled",
                "Webhooks that were disabled because they failed for too long, or lost their owner.",
                backlog.disabled,
            ),
            (
                "rollbook_webhook_events_waiting",
                "Events of the log that enabled webhooks have not gone through.",
                backlog.waiting,
            ),
            ("rollbook_webhook_events_failing", "Deliveries that failed and are tried again.", backlog.failing),
            (
                "rollbook_webhook_oldest_waiting_seconds",
                "Age of the oldest event that waits or is tried again.",
                backlog.oldest,
            ),
        )

    async def about(self) -> About:
        metrics = self._metrics
        database = await self._db.about()
        return About(self._sources, metrics.started, metrics.usages(), metrics.total("connections_open"), database)

    async def openapi(self) -> Fixed:
        if self._openapi is None:
            self._openapi = asyncio.create_task(self._describe())
        return await asyncio.shield(self._openapi)

    async def _describe(self) -> Fixed:
        """Made when it is first asked for, off the event loop: it takes some fifty milliseconds."""
        loop = asyncio.get_running_loop()
        return Fixed(await loop.run_in_executor(None, _document, self._url))


def _with_room(rows: Sequence[Any], size: int) -> list[Any]:
    """The rows, with this size for the files that those take that say none themselves."""
    return [row.with_max_body(size) if row.streams_body and not row.max_body else row for row in rows]


def _load_spans() -> type[Spans]:
    """OpenTelemetry takes a fifth of a second to load: only those who export spans need it."""
    try:
        from rollbook.observe.spans import Spans
    except ImportError as problem:
        raise ConfigurationError(
            f"otlp_endpoint needs OpenTelemetry ({problem}). Install it with: pip install 'rollbook[otel]'"
        ) from None
    return Spans


def _size(file: Path) -> int:
    """0 while there is no such file."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _document(url: str) -> bytes:
    from rollbook.api import openapi

    return openapi.document(url)
