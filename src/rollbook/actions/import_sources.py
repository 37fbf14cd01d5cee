"""The systems that users are imported from: their names as people write them. Each has a file in `sources/systems/` and
a page `docs/migrate-….md`, both named like it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

SYSTEMS: dict[str, str] = {
    "appwrite": "Appwrite",
    "auth0": "Auth0",
    "better-auth": "better-auth",
    "clerk": "Clerk",
    "django": "Django",
    "entra": "Microsoft Entra ID",
    "fastapi-users": "fastapi-users",
    "firebase": "Firebase Authentication",
    "fusionauth": "FusionAuth",
    "keycloak": "Keycloak",
    "kratos": "Ory Kratos",
    "logto": "Logto",
    "okta": "Okta",
    "pocketbase": "PocketBase",
    "supabase": "Supabase",
    "supertokens": "SuperTokens",
    "zitadel": "ZITADEL",
}
"""In the order of the alphabet, in which lists show them."""

OWN_FILE = "rollbook"
"""Source of files that come from no other system."""

# For a type checker it is text.
if TYPE_CHECKING:
    ImportSource = str
else:
    ImportSource = Literal[(OWN_FILE, *SYSTEMS)]
