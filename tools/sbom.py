"""The software bill of materials: what a server is installed from, in CycloneDX 1.6, made of the lock files.

Without a host name, a date or a random number, so that it changes only when a lock file does.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SBOM = ROOT / "sbom.cdx.json"
STATIC = "src/rollbook/web/static"
_PIN = re.compile(
    r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)(?: ; ([^\\\n]*?))? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)
_HTMX = re.compile(r"\[htmx\]\([^)]+\) ([0-9][0-9.]*[0-9])")


def bill() -> dict[str, Any]:
    """The whole document."""
    required, optional = _locked("runtime"), _locked("otel")
    components = [_component(name, required.get(name, pin), name in required) for name, pin in optional.items()]
    components += [_component(name, pin, True) for name, pin in required.items() if name not in optional]
    version = re.search(r'__version__ = "([^"]+)"', (ROOT / "src/rollbook/__init__.py").read_text())
    assert version is not None
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "rollbook",
                "name": "rollbook",
                "version": version[1],
                "purl": f"pkg:pypi/rollbook@{version[1]}",
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": sorted([*components, _htmx()], key=lambda component: component["bom-ref"]),
    }


def text() -> str:
    """The document as it is in the repository."""
    return json.dumps(bill(), indent=1) + "\n"


def _locked(lock: str) -> dict[str, tuple[str, str, list[str]]]:
    """Of each package its version, for which systems it is, and the SHA-256 of each of its files."""
    content = (ROOT / "requirements" / f"{lock}.txt").read_text()
    found = {
        name: (version, marker or "", re.findall(r"sha256:([0-9a-f]{64})", hashes))
        for name, version, marker, hashes in _PIN.findall(content)
    }
    assert len(found) == len(re.findall(r"^[a-z0-9]", content, re.M)), f"requirements/{lock}.txt has another form."
    return found


def _component(name: str, pin: tuple[str, str, list[str]], required: bool) -> dict[str, Any]:
    version, marker, hashes = pin
    purl = f"pkg:pypi/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "scope": "required" if required else "optional",
        "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
        "purl": purl,
        **({"properties": [{"name": "rollbook:marker", "value": marker}]} if marker else {}),
    }


def _htmx() -> dict[str, Any]:
    """The one file of others that is in the package."""
    version = _HTMX.search((ROOT / STATIC / "LICENSES.md").read_text())
    assert version is not None
    purl = f"pkg:npm/htmx.org@{version[1]}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": "htmx.org",
        "version": version[1],
        "scope": "required",
        "hashes": [{"alg": "SHA-256", "content": sha256((ROOT / STATIC / "htmx.js").read_bytes()).hexdigest()}],
        "purl": purl,
        "properties": [{"name": "rollbook:file", "value": f"{STATIC}/htmx.js"}],
    }


if __name__ == "__main__":
    SBOM.write_text(text())
