"""Reads users of an application with Spring Security: the table `users` of JdbcUserDetailsManager, or one of the
application."""

from __future__ import annotations

from rollbook.sources import app_tables
from rollbook.sources.values import Fields, Record, fields, flag, text


def convert(row: Record) -> Fields | None:
    found = app_tables.columns(row)
    username, email = app_tables.username_and_email(found)
    return app_tables.user(
        row,
        "username emailaddress mail passwordhash encodedpassword emailverified verified credentialsnonexpired",
        email=email,
        password_hash=text(*map(found.get, ("password", "passwordhash", "encodedpassword"))),
        external_id=text(found.get("id"), found.get("userid"), username, email),
        email_verified=flag(found.get("emailverified", found.get("verified"))),
        metadata=fields(username=username),
    )
