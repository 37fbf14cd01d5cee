"""What the description of the API says of the operations, for the generators of the SDKs: with everything in its place,
as openapi.json has it in fewer words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rollbook.api import openapi
from rollbook.config import Settings

ROOT = Path(__file__).resolve().parent.parent
API: dict[str, Any] = json.loads(json.dumps(openapi.spelled_out(Settings().url)))
SCHEMAS: dict[str, Any] = API["components"]["schemas"]

METADATA = (
    "Only users with these values in their metadata, up to 10. Compares texts, numbers, booleans and null at the top "
    "level as text, such as `pro`, `1`, `0.5`, `true` or `null`."
)
"""About the filter that is an object here: how it is written in a query is for the clients to know."""


class Operation(NamedTuple):
    method: str
    path: str
    of: dict[str, Any]

    @property
    def id(self) -> str:
        return self.of["operationId"]

    @property
    def parameters(self) -> list[dict[str, Any]]:
        return [resolve(each) for each in self.of.get("parameters", ())]

    @property
    def success(self) -> dict[str, Any]:
        return next(resolve(answer) for status, answer in self.of["responses"].items() if status.startswith("2"))

    @property
    def body(self) -> dict[str, Any] | None:
        """The schema of a JSON body."""
        content = self.of.get("requestBody", {}).get("content", {}).get("application/json")
        return resolve(content["schema"]) if content else None

    @property
    def takes_file(self) -> bool:
        return "application/octet-stream" in self.of.get("requestBody", {}).get("content", {})

    @property
    def has_lines(self) -> bool:
        """Whether the response has an object a line, however many."""
        return "application/x-ndjson" in self.success.get("content", {})

    @property
    def result(self) -> dict[str, Any] | None:
        """The schema of a JSON response."""
        content = self.success.get("content", {}).get("application/json")
        return content["schema"] if content else None


def operations() -> Iterator[Operation]:
    for path, item in API["paths"].items():
        for method, of in item.items():
            if "operationId" in of:
                yield Operation(
                    method.upper(), path, {**of, "parameters": [*item.get("parameters", ()), *of.get("parameters", ())]}
                )


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = API
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def codes(answer: dict[str, Any]) -> dict[str, str]:
    """What each code of an error's response means."""
    found = answer.get("content", {}).get("application/json", {}).get("examples", {})
    examples = {code: resolve(example) for code, example in found.items()}
    return {code: " ".join(each["description"].split()) for code, each in examples.items() if "code" in each["value"]}


def pascal(name: str) -> str:
    """A name with underscores as that of a class."""
    return "".join(part[0].upper() + part[1:] for part in name.split("_"))


@cache
def general_codes() -> set[str]:
    """Errors of nearly every call, which none needs to name."""
    every = [each for each in operations() if each.path.startswith("/v1/")]
    counts = Counter(
        code for each in every for answer in each.of["responses"].values() for code in codes(resolve(answer))
    )
    usual = {code for code, count in counts.items() if count > len(every) * 0.6} - {"not_found"}
    return usual | {
        "invalid_json",
        "unsupported_media_type",
        "content_too_large",
        "idempotency_still_running",
        "idempotency_key_reused",
        "outcome_unknown",
    }


def versioned() -> set[str]:
    """Names of the objects that have a version: what calls with `If-Match` answer."""
    found = set()
    for operation in operations():
        names = {each["name"] for each in operation.parameters if each["in"] == "header"}
        if operation.method.upper() in ("PUT", "PATCH") and "If-Match" in names and operation.result is not None:
            found.add(str(operation.result["$ref"]).rsplit("/", 1)[-1])
    return found
