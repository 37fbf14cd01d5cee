"""Every operation of the description has a name in the SDKs, and each name is one operation's."""

from __future__ import annotations

import json

from tests.docs.test_openapi import ROOT
from tools import sdk_names


def test_every_operation_has_a_name_of_its_own() -> None:
    paths = json.loads((ROOT / "openapi.json").read_text())["paths"]
    operations = {item["operationId"] for each in paths.values() for item in each.values() if "operationId" in item}
    assert set(sdk_names.NAMES) == operations, "name them in tools/sdk_names.py, then: make sdk"
    assert len(set(sdk_names.NAMES.values())) == len(operations)
