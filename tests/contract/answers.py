"""What every answer must be, whatever was asked: said once for all tests of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args, get_origin, get_type_hints

import httpx2
import msgspec

from rollbook.errors import ApiError
from rollbook.observe.metrics import REFUSALS


def fits(answer: httpx2.Response, kind: Any) -> Any:
    """The body, which must be exactly of this type: no field missing, none too many, none of another type or
    in another order."""
    if kind is None:
        assert answer.content == b""
        length = None if answer.status_code == 204 else "0"  # RFC 9110 section 8.6
        assert "content-type" not in answer.headers and answer.headers.get("content-length") == length
        return None
    if kind is str:
        type = answer.headers["content-type"]
        assert type == "application/x-ndjson" or (type.startswith("text/") and answer.text)
        return answer.text
    assert answer.headers["content-type"] == "application/json"
    content = answer.json()
    _fits(content, kind)
    return content


def _fits(content: Any, kind: Any) -> None:
    if (
        get_origin(kind) is list
        and isinstance(get_args(kind)[0], type)
        and issubclass(get_args(kind)[0], msgspec.Struct)
    ):
        assert isinstance(content, list)
        for item in content:
            _fits(item, get_args(kind)[0])
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        assert set(content) <= set(fields), "fields that the type does not have"
        assert {name for name, field in fields.items() if field.required} <= set(content), "fields that are missing"
        assert list(content) == [name for name in fields if name in content], "fields in another order"
        types = get_type_hints(kind)
        for name, value in content.items():
            _fits(value, types[name])
    elif kind is msgspec.Raw or msgspec.Raw in get_args(kind):
        assert isinstance(content, dict) or content is None
    else:
        msgspec.convert(content, kind)


def refused(answer: httpx2.Response, error: type[ApiError]) -> dict[str, Any]:
    """The body of an error answer, which must be this error, told in the way of all errors."""
    assert (answer.status_code, answer.headers["content-type"]) == (error.status, "application/json"), answer.text
    content: dict[str, Any] = answer.json()
    assert content["code"] == error.code, content
    told_whole(answer, content)
    return content


def told_whole(answer: httpx2.Response, content: dict[str, Any]) -> None:
    """The fields that every error answer has."""
    assert isinstance(content["error"], str) and content["error"].endswith(".")
    assert content["request_id"] == answer.headers["x-request-id"]
    assert content["doc_url"].endswith(f"/docs/errors/{content['code']}")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["cache-control"] == "no-store"
    assert "traceback" not in answer.text.lower() and "sqlite" not in answer.text.lower()


class Log:
    """Reads `/v1/events` as a consumer does: what came since it read last, but for what the server notes by itself and
    later."""

    NOTED_LATER = ("limit.exceeded", "key.expired", "bulk_job.finished", "import.finished", *REFUSALS)

    def __init__(self, http: httpx2.Client) -> None:
        self._http = http
        self.after: str | None = None
        self.news()

    def news(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            answer = self._http.get(
                "/v1/events", params={"limit": "1000"} | ({"after": self.after} if self.after else {})
            )
            assert answer.status_code == 200, answer.text
            page = answer.json()
            if not page:
                return found
            self.after = page[-1]["id"]
            found += [event for event in page if event["type"] not in self.NOTED_LATER]

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Nothing that happens here may change anything: not one event is written."""
        self.news()
        yield
        news = self.news()
        assert news == [], news
