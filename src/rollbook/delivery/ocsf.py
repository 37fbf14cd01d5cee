"""Events in the Open Cybersecurity Schema Framework, OCSF 1.5, as SIEMs read them: Account Change, Authentication and
API Activity. What has no attribute there is in `unmapped`, as the API shows it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from rollbook import clock
from rollbook.records.event_types import ACCOUNT, API, AUTHENTICATION, BASE, OTHER, TYPES, Ocsf, kind, ocsf
from rollbook.records.events import Actor, Event

VERSION = "1.5.0"


def attributes(event: Event, about: Any, whole: Any, source: str, is_thin: bool) -> dict[str, Any]:
    """The event: `about` its object, `whole` as it is sent in the standard format."""
    kind_of = ocsf(event.type)
    if kind_of.class_uid in (ACCOUNT, AUTHENTICATION) and not event.user_id:  # they need a user
        kind_of = Ocsf(BASE, OTHER)
    class_uid, activity_id, status_id, severity_id = kind_of
    entry = TYPES.get(event.type)
    return {
        "category_uid": class_uid // 1_000,
        "class_uid": class_uid,
        "activity_id": activity_id,
        "activity_name": event.type,
        "type_uid": class_uid * 100 + activity_id,
        "severity_id": severity_id,
        "status_id": status_id,
        "time": event.created_at * 1_000 // clock.SECOND,
        "message": event.type if entry is None else entry.says,
        "metadata": {
            "version": VERSION,
            "product": {"name": "Rollbook", "vendor_name": "Rollbook", "url_string": source},
            "uid": event.id,
            "event_code": event.type,
        },
        "unmapped": whole,
        **_of_class(event, class_uid, about, is_thin),
    }


def _of_class(event: Event, class_uid: int, about: Any, is_thin: bool) -> dict[str, Any]:
    """Attributes that not all classes have."""
    if class_uid == BASE:
        return {}
    actor = Actor(None, None, None, None) if is_thin else event.actor
    attributes: dict[str, Any] = {"actor": _actor(actor)}
    if (endpoint := _endpoint(actor.address)) or class_uid == API:
        attributes["src_endpoint"] = endpoint or {"svc_name": actor.address or "Rollbook"}
    if class_uid == API:
        request = {"request": {"uid": actor.request_id}} if actor.request_id else {}
        attributes["api"] = {"operation": event.type, "service": {"name": "Rollbook"}, **request}
        resource = {"type": kind(event.type), "uid": about.id or about.group_id or event.user_id}
        return attributes | ({"resources": [resource]} if resource["uid"] else {})
    attributes["user"] = {"uid": event.user_id}
    if kind(event.type) == "user" and not is_thin and isinstance(about.name, str):
        attributes["user"]["name"] = about.name
    if class_uid == AUTHENTICATION:
        attributes["service"] = {"name": "Rollbook"}
    return attributes


def _actor(actor: Actor) -> dict[str, Any]:
    if actor.user_id is None:
        return {"app_name": actor.client or actor.address or "Rollbook"}
    key = {"credential_uid": actor.key_id} if actor.key_id else {}
    return {"user": {"uid": actor.user_id, **key}, **({"app_name": actor.client} if actor.client else {})}


def _endpoint(address: str | None) -> dict[str, str]:
    """The address of the actor, if it is one, and not the command line or the server."""
    try:
        return {} if address is None else {"ip": str(ip_address(address))}
    except ValueError:
        return {}
