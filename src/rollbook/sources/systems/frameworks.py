"""Reads the tables in which frameworks keep the users of an application: a function for each of them, named like it,
from a row to the fields of a user."""

from __future__ import annotations

import re
from typing import Any

from rollbook.actions.checking import refuse
from rollbook.sources.app_tables import columns, user, username_and_email
from rollbook.sources.values import (
    Fields,
    Record,
    active_if,
    fields,
    flag,
    full_name,
    is_ahead,
    is_true,
    json_objects,
    others,
    otpauth_url,
    text,
    time,
    true_ones,
)

# ---- frameworks that leave columns to the application


def aspnet_identity(row: Record) -> Fields | None:
    """A row of `AspNetUsers`. Identity has no column for the name and none for dates; those that the application has
    are known by their usual names."""
    values = columns(row)
    username, email = username_and_email(values)
    read = user(
        row,
        "username normalizedusername normalizedemail emailconfirmed passwordhash securitystamp concurrencystamp "
        "phonenumber phonenumberconfirmed twofactorenabled authenticatorkey lockoutend lockoutenabled "
        "accessfailedcount discriminator",
        email=email,
        password_hash=text(values.get("passwordhash")),
        # The key of the authenticator app is in `AspNetUserTokens`, in the row if the query asks for it.
        totp_secret=text(values.get("authenticatorkey")) if is_true(values.get("twofactorenabled")) else None,
        email_verified=flag(values.get("emailconfirmed")),
        metadata=fields(username=username, phone=text(values.get("phonenumber"))),
    )
    if read and read.get("status") != "suspended":
        # As UserManager.IsLockedOutAsync has it. Of those who are locked out for good, the end is far away.
        is_locked_out = flag(values.get("lockoutenabled")) is not False and is_ahead(time(values.get("lockoutend")))
        read["status"] = "suspended" if is_locked_out else "active"
    return read


_IS_ENCRYPTED = re.compile(r"\$ba\$|[0-9a-f]{80}").match


def better_auth(row: Record) -> Fields | None:
    """A user as the program on the page of the docs writes them: with the password of their account, and the decrypted
    secret of their authenticator app."""
    secret = text(row.get("twoFactorSecret"))
    if secret is not None and _IS_ENCRYPTED(secret):
        refuse("twoFactorSecret", "is encrypted. Decrypt it when you export: see docs/migrate.md#better-auth")
    expires = time(row.get("banExpires"))
    if expires and not is_ahead(expires):
        row = {**row, "banned": False}
    return user(
        row,
        "emailverified banexpires twofactorenabled twofactorsecret",
        # The codes are made of the text itself (@better-auth/utils, otp.mjs).
        totp_secret=otpauth_url(secret.encode()) if secret and is_true(row.get("twoFactorEnabled")) else None,
        email_verified=flag(row.get("emailVerified")),
    )


def devise(row: Record) -> Fields | None:
    """`confirmed_at` is there with the module Confirmable, and `invitation_…` with the gem devise_invitable. The lock
    of Lockable, `locked_at`, is one against guessing, and ends by itself."""
    read = user(
        row,
        "encryptedpassword resetpasswordsentat remembercreatedat signincount currentsigninip lastsigninip confirmedat "
        "confirmationsentat unconfirmedemail failedattempts lockedat invitationcreatedat invitationsentat "
        "invitationacceptedat invitationlimit invitedbyid invitedbytype invitationscount consumedtimestep",
        password_hash=text(row.get("encrypted_password")),
        email_verified=True if text(row.get("confirmed_at")) else None,
    )
    if read and text(row.get("invitation_created_at")) and read.get("status") != "suspended":
        read["status"] = "active" if text(row.get("invitation_accepted_at")) else "invited"
    return read


def django(row: Record) -> Fields | None:
    """A user of any user model with an email and a password."""
    password, groups = text(row.get("password")), row.get("groups")
    # `dumpdata --natural-foreign` has the names of groups, otherwise there are keys.
    keys = [key for key in groups if isinstance(key, list) and len(key) == 1] if isinstance(groups, list) else []
    names = [key[0] for key in keys if isinstance(key[0], str)]
    return user(
        row,
        "pk groups userpermissions isstaff issuperuser",
        # An unusable password begins with an exclamation mark (django.contrib.auth.hashers).
        password_hash=None if password and password.startswith("!") else password,
        private_metadata=true_ones(row, "is_staff", "is_superuser") | fields(groups=names or None),
    )


def django_record(row: dict[str, Any]) -> dict[str, Any] | None:
    """The user that a row is. `dumpdata` has the fields apart, and other models may be in its file as well."""
    if "model" not in row:
        return row
    content = row.get("fields")
    if not isinstance(content, dict) or "password" not in content or "email" not in content:
        return None
    return {"id": row.get("pk"), **content}


def fastapi_users(row: Record) -> Fields | None:
    return user(
        row,
        "hashedpassword isverified issuperuser username",
        password_hash=text(row.get("hashed_password")),
        email_verified=flag(row.get("is_verified")),
        private_metadata=true_ones(row, "is_superuser"),
    )


def laravel(row: Record) -> Fields | None:
    return user(
        row,
        "emailverifiedat remembertoken twofactorrecoverycodes twofactorconfirmedat",
        email_verified=bool(text(row.get("email_verified_at"))),
    )


def nextauth(row: Record) -> Fields | None:
    """A user of Auth.js with their accounts. It keeps no passwords: where an application does, the column is mostly
    called one of these."""
    values = columns(row)
    accounts = json_objects("accounts", row.get("accounts"))
    return user(
        row,
        "emailverified image passwordhash hashedpassword accounts sessions",
        password_hash=text(*map(values.get, ("password", "passwordhash", "hashedpassword"))),
        email_verified=bool(text(values.get("emailverified"))),
        metadata=fields(
            image=text(row.get("image")),
            accounts=[f"{account.get('provider')}:{account.get('providerAccountId')}" for account in accounts] or None,
        ),
    )


def pocketbase(row: Record) -> Fields | None:
    """A row of an auth collection, or a user of the API, which has no password hashes."""
    useless = "tokenkey verified username emailvisibility collectionid collectionname expand"
    return user(row, useless, email_verified=flag(row.get("verified")))


def spring_security(row: Record) -> Fields | None:
    """A row of the table `users` of JdbcUserDetailsManager, or of one of the application."""
    values = columns(row)
    username, email = username_and_email(values)
    return user(
        row,
        "username emailaddress mail passwordhash encodedpassword emailverified verified credentialsnonexpired",
        email=email,
        password_hash=text(*map(values.get, ("password", "passwordhash", "encodedpassword"))),
        external_id=text(values.get("id"), values.get("userid"), username, email),
        email_verified=flag(values.get("emailverified", values.get("verified"))),
        metadata=fields(username=username),
    )


# ---- those with a table of their own

_DRUPAL = frozenset(
    "uid uuid langcode preferred_langcode preferred_admin_langcode name pass mail timezone status created changed "
    "access login init default_langcode theme signature signature_format picture data language".split()
)


def drupal(row: Record) -> Fields | None:
    """A row of `users_field_data` (Drupal 8 and later) or `users` (Drupal 7)."""
    uid = text(row.get("uid"))
    if uid == "0" or flag(row.get("default_langcode")) is False:  # the anonymous user, and translations
        return None
    # Times are seconds, of which 0 is never.
    created, changed, login = (
        None if text(row.get(name)) == "0" else time(row.get(name)) for name in ("created", "changed", "login")
    )
    return fields(
        email=text(row.get("mail")),
        name=full_name(row, "name"),
        external_id=uid,
        password_hash=text(row.get("pass")),
        status=active_if(row.get("status")),
        created_at=created,
        updated_at=changed,
        last_sign_in_at=login,
        metadata=fields(
            username=text(row.get("name")),
            language=text(row.get("preferred_langcode"), row.get("language")),
            timezone=text(row.get("timezone")),
        ),
        private_metadata=others(row, _DRUPAL),
    )


_WORDPRESS = frozenset(
    "ID user_login user_pass user_nicename user_email user_url user_registered user_activation_key user_status "
    "display_name first_name last_name spam deleted url caps cap_key allcaps filter".split()
)


def wordpress(row: Record) -> Fields:
    """A row of `wp_users`, or of `wp user list` of WP-CLI. `first_name` and `last_name` are in `wp_usermeta`, and in
    the row if the query or WP-CLI was asked for them."""
    # `spam` and `deleted` are columns of networks. WordPress itself leaves `user_status` alone: who has one was barred
    # by a plugin, such as BuddyPress.
    barred = any(text(row.get(name)) not in (None, "0") for name in ("user_status", "spam", "deleted"))
    return fields(
        email=text(row.get("user_email")),
        name=full_name(row, ("first_name", "last_name"), "display_name", "user_nicename", "user_login"),
        external_id=text(row.get("ID")),
        password_hash=text(row.get("user_pass")),
        status="suspended" if barred else "active",
        created_at=time(row.get("user_registered")),
        metadata=fields(username=text(row.get("user_login")), url=text(row.get("user_url"))),
        private_metadata=others(row, _WORDPRESS),
    )
