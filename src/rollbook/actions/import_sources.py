"""The systems that users are imported from: their names as people write them. `sources/systems/` reads each, and a
section of `docs/migrate.md` has its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

SYSTEMS: dict[str, str] = {
    "cognito": "Amazon Cognito",
    "appwrite": "Appwrite",
    "aspnet-identity": "ASP.NET Core Identity",
    "nextauth": "Auth.js (NextAuth)",
    "auth0": "Auth0",
    "better-auth": "better-auth",
    "clerk": "Clerk",
    "devise": "Devise (Rails)",
    "django": "Django",
    "drupal": "Drupal",
    "fastapi-users": "fastapi-users",
    "firebase": "Firebase Authentication",
    "fusionauth": "FusionAuth",
    "keycloak": "Keycloak",
    "laravel": "Laravel",
    "logto": "Logto",
    "entra": "Microsoft Entra ID",
    "okta": "Okta",
    "kratos": "Ory Kratos",
    "pocketbase": "PocketBase",
    "spring-security": "Spring Security",
    "supabase": "Supabase",
    "supertokens": "SuperTokens",
    "wordpress": "WordPress",
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
