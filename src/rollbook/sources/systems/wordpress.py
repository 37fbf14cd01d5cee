"""Reads users of WordPress from the table `wp_users`, or from `wp user list` of WP-CLI."""

from __future__ import annotations

from rollbook.sources.values import Fields, Record, fields, full_name, others, text, time

_KNOWN = frozenset(
    "ID user_login user_pass user_nicename user_email user_url user_registered user_activation_key user_status "
    "display_name first_name last_name spam deleted url caps cap_key allcaps filter".split()
)


def convert(row: Record) -> Fields:
    """`first_name` and `last_name` are in `wp_usermeta`, and in the row if the query or WP-CLI was asked for them."""
    email = text(row.get("user_email"))
    # `spam` and `deleted` are columns of networks. WordPress itself leaves `user_status` alone: who has one was barred
    # by a plugin, such as BuddyPress.
    barred = any(text(row.get(name)) not in (None, "0") for name in ("user_status", "spam", "deleted"))
    return fields(
        email=email,
        name=full_name(row, ("first_name", "last_name"), "display_name", "user_nicename", "user_login"),
        external_id=text(row.get("ID")),
        password_hash=text(row.get("user_pass")),
        status="suspended" if barred else "active",
        created_at=time(row.get("user_registered")),
        metadata=fields(username=text(row.get("user_login")), url=text(row.get("user_url"))),
        private_metadata=others(row, _KNOWN),
    )
