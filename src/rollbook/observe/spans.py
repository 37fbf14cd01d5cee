"""Exports a span for each request to an OpenTelemetry collector, by OTLP over HTTP. Loaded only where `otlp_endpoint`
is set.

A thread of the SDK sends the spans in batches; requests never wait for the collector. The SDK reads its own environment
variables, such as OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and OTEL_EXPORTER_OTLP_HEADERS.
"""

from __future__ import annotations

import os
import threading
import time
from random import getrandbits
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from rollbook import __version__, clock
from rollbook.observe.lines import masked
from rollbook.trace_context import RANDOM, SAMPLED, Trace

if TYPE_CHECKING:
    from rollbook.http.request import Request

_SCOPE = InstrumentationScope("rollbook", __version__)
_FAILED, _UNSET = Status(StatusCode.ERROR), Status()
_MAX_PATH = 200


class Spans:
    """`endpoint` is the collector's base URL, such as `http://127.0.0.1:4318`. To be created after the fork."""

    def __init__(self, endpoint: str) -> None:
        os.environ.setdefault("OTEL_SERVICE_NAME", "rollbook")
        provider = TracerProvider(shutdown_on_exit=False)
        self._sampler, self._resource = provider.sampler, provider.resource
        self._processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))

    def begin(self, request: Request) -> None:
        """Make the request part of its caller's trace, or of a new one, with a span of its own."""
        caller = request.trace
        if caller is None:
            id, parent, flags, context = f"{getrandbits(128) or 1:032x}", "", RANDOM, Context()
        else:
            id, parent, flags = caller.id, caller.span, caller.flags & RANDOM
            context = set_span_in_context(
                NonRecordingSpan(_context(caller.id, caller.span, caller.flags, True)), Context()
            )
        if self._sampler.should_sample(context, int(id, 16), request.method, SpanKind.SERVER).decision.is_sampled():
            flags |= SAMPLED
        request.trace = Trace(id, f"{getrandbits(64) or 1:016x}", flags, parent)

    def end(self, request: Request) -> None:
        """Queue the span of an answered request, if it is sampled."""
        trace, route = request.trace, request.route
        if trace is None or not trace.flags & SAMPLED:
            return
        attributes = {
            "http.request.method": request.method,
            "http.response.status_code": request.status,
            "url.scheme": "https" if request.secure else "http",
            "url.path": masked(request.path)[:_MAX_PATH],
            "client.address": request.address,
            "rollbook.request_id": request.id,
        }
        if route is not None:
            attributes["http.route"] = route.path
        if request.user_id is not None:
            attributes["user.id"] = request.user_id
        ended = time.time_ns() - (clock.now() - request.answered_at) * 1000
        self._processor.on_end(
            ReadableSpan(
                request.method if route is None else f"{request.method} {route.path}",
                context=_context(trace.id, trace.span, trace.flags, False),
                parent=_context(trace.id, trace.parent, trace.flags, True) if trace.parent else None,
                resource=self._resource,
                attributes=attributes,
                kind=SpanKind.SERVER,
                status=_FAILED if request.status >= 500 else _UNSET,
                start_time=ended - request.microseconds * 1000,
                end_time=ended,
                instrumentation_scope=_SCOPE,
            )
        )

    def stop(self, timeout: float = 2.0) -> None:
        """Send what waits. Gives up after `timeout` seconds if the collector does not answer."""
        thread = threading.Thread(target=self._processor.shutdown, name="spans", daemon=True)
        thread.start()
        thread.join(timeout)


def _context(trace: str, span: str, flags: int, is_remote: bool) -> SpanContext:
    return SpanContext(int(trace, 16), int(span, 16), is_remote, TraceFlags(flags))
