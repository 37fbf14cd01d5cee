"""Spans as an OpenTelemetry collector gets them: one for each sampled request, in its caller's trace, and never at the
caller's expense."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from counted import until
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.cli.command import refused
from tests.harness import Server, free_port, running, serving

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}


class Collector(ThreadingHTTPServer):
    """Keeps the spans that are sent to it, by their request's id."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.spans: dict[str, Any] = {}
        self.resource: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Receiver(BaseHTTPRequestHandler):
    server: Collector  # pyrefly: ignore[bad-override-mutable-attribute]

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in sent.resource_spans:
            self.server.resource = {each.key: each.value.string_value for each in resource.resource.attributes}
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                self.server.spans[attributes(span)["rollbook.request_id"]] = span
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_each_sampled_request_is_a_span_in_its_callers_trace(tmp_path: Path, workers: str) -> None:
    with serving(Collector()) as collector:
        flags = ("--otlp-endpoint", collector.url, "--workers", workers)
        with running(tmp_path / "data", *flags, environment=SOON) as server, server.http() as http:
            me = http.get("/v1/users/me").json()["id"]
            sent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            made = http.post(
                "/v1/users", json={"name": "T", "email": "t@example.com", "password": "a good password"}, headers=sent
            )
            unsampled = http.get("/v1/users/me", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
            missing = http.get("/v1/nothing?q=secret-query")
            until(lambda: {made.headers["x-request-id"], missing.headers["x-request-id"]} <= collector.spans.keys())
            event = http.get(f"/v1/events?user={made.json()['id']}").json()[0]
        spans = collector.spans
        span = spans[made.headers["x-request-id"]]
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
        assert made.headers["traceparent"] == f"00-{TRACE}-{span.span_id.hex()}-01"
        assert (span.name, span.kind) == ("POST /v1/users", 2)
        found = attributes(span)
        assert (found["http.request.method"], found["http.route"], found["http.response.status_code"]) == (
            "POST",
            "/v1/users",
            201,
        )
        assert (found["url.path"], found["url.scheme"], found["client.address"], found["user.id"]) == (
            "/v1/users",
            "http",
            "127.0.0.1",
            me,
        )
        assert (
            0 < span.end_time_unix_nano - span.start_time_unix_nano < 60e9
            and abs(span.end_time_unix_nano / 1e9 - time.time()) < 60
        )
        assert event["actor"]["trace_id"] == TRACE
        # The server stopped, so all that were sampled are there.
        assert unsampled.headers["traceparent"].startswith(f"00-{TRACE}-") and unsampled.headers[
            "traceparent"
        ].endswith("-00")
        assert unsampled.headers["x-request-id"] not in spans
        alone = spans[missing.headers["x-request-id"]]
        assert not alone.parent_span_id and alone.trace_id.hex() == missing.headers["traceparent"][3:35] != TRACE
        assert (
            collector.resource["service.name"] == "rollbook"
            and collector.resource["deployment.environment.name"] == "test"
        )
        text = str(spans)
        assert server.key not in text and "secret-query" not in text and "a good password" not in text


def test_a_collector_that_is_away_delays_neither_requests_nor_the_end(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--otlp-endpoint", f"http://127.0.0.1:{free_port()}", environment=SOON).start()
    with server.http() as http:
        for _ in range(50):
            assert http.get("/v1/users/me").status_code == 200
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 20


def test_an_endpoint_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "otlp_endpoint is not a URL" in refused(
        "serve", "--data", str(tmp_path / "data"), otlp_endpoint="collector:4318"
    )
