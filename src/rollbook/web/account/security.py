"""A person's second factors: authenticator apps, passkeys and recovery codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rollbook.actions import passkeys, second_factors, sessions
from rollbook.actions.arguments.factors import (
    RecoveryCodesCreate,
    SecondFactorActivation,
    SecondFactorCreate,
    SecondFactorName,
    SecondFactorProof,
)
from rollbook.actions.permissions import require_proof
from rollbook.actions.second_factors import ActivatedFactor
from rollbook.errors import ApiError, NotFound
from rollbook.http import origins
from rollbook.http.request import Response
from rollbook.web import factors, forms, shown_once
from rollbook.web.page_request import PageRequest, download

if TYPE_CHECKING:
    from markupsafe import Markup

PATH = "/account/security"
APP, PASSKEY, CODES = f"{PATH}/app", f"{PATH}/passkey", f"{PATH}/codes"
LABELS = {"name": "The name", "code": "The code"}


async def show(page: PageRequest, problems: Mapping[str, str] = {}, renamed: str = "") -> Response:
    """`renamed`: the factor whose new name is one of the problems."""
    listing = await second_factors.list_second_factors(page.on, page.by, page.me.user.id)
    active = [factor for factor in listing.factors if factor.confirmed_at is not None]
    return page.render(
        "account/security.html",
        section="account/security",
        factors=active,
        acted_as=await sessions.acted_as(page.on, page.by),
        codes_left=listing.recovery_codes_left,
        is_required=page.me.user.role in second_factors.roles_with_duty(page.on),
        problems=problems,
        renamed=renamed,
        given=page.form.get("name", ""),
    )


async def rename(page: PageRequest) -> Response:
    try:
        named = page.arguments(SecondFactorName, {"name": page.form.get("name", "").strip()})
        await second_factors.rename_second_factor(page.on, page.by, page.me.user.id, page.ids[0], named)
    except NotFound:
        raise
    except ApiError as error:
        return await show(page, forms.problems(page, error, LABELS), page.ids[0])
    return page.redirect(PATH, "factor-renamed")


async def remove(page: PageRequest) -> Response:
    try:
        await second_factors.remove_second_factor(page.on, page.by, page.me.user.id, page.ids[0], SecondFactorProof())
    except NotFound:
        raise
    except ApiError as error:
        return await show(page, forms.problems(page, error))
    return page.redirect(PATH, "factor-removed")


# ---- an authenticator app


async def add_app(page: PageRequest) -> Response:
    """A new secret, which the next page shows once."""
    new = SecondFactorCreate(kind="totp", issuer=page.on.settings.brand_name)
    try:
        enrolled = await second_factors.create_second_factor(page.on, page.by, page.me.user.id, new)
    except ApiError as error:
        return await show(page, forms.problems(page, error))
    shown = {"id": enrolled.factor.id, "secret": enrolled.secret, "url": enrolled.otpauth_url}
    return shown_once.redirect(page, APP, shown)


async def show_app(page: PageRequest) -> Response:
    """The secret as a QR code and as text. Once it is too late, leads back."""
    return _app(page) or page.redirect(PATH)


async def activate_app(page: PageRequest) -> Response:
    shown = shown_once.found(page)
    if shown is None:
        return page.redirect(PATH, "factor-too-late")
    try:
        fields = page.arguments(SecondFactorActivation, {"code": page.form.get("code", "").strip()})
        done = await second_factors.activate_second_factor(page.on, page.by, page.me.user.id, shown["id"], fields)
    except NotFound:
        return page.redirect(PATH, "factor-too-late")
    except ApiError as error:
        return _app(page, error) or page.redirect(PATH, "factor-too-late")
    return _added(page, done, "app-added")


def _app(page: PageRequest, error: ApiError | None = None) -> Response | None:
    shown = shown_once.found(page)
    if shown is None:
        return None
    secret = shown["secret"]
    return page.render(
        "account/security_app.html",
        secret=True,
        error=error,
        section="account/security",
        code=_qr(shown["url"]),
        groups=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        app_url=shown["url"],
        problems=forms.problems(page, error, LABELS, proof="code"),
    )


def _qr(text: str) -> Markup:
    """The QR code as SVG, dark on light in any theme: apps read no others."""
    import segno  # only for those who set up an app
    from markupsafe import Markup

    code = segno.make(text, error="m", micro=False)
    return Markup(code.svg_inline(scale=4, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None))


# ---- a passkey


async def show_passkey(page: PageRequest) -> Response:
    require_proof(page.by)
    return await _passkey(page)


async def add_passkey(page: PageRequest) -> Response:
    ours = factors.party(page)
    try:
        named = page.arguments(SecondFactorName, {"name": page.form.get("name", "").strip()})
        if ours is None:
            raise NotFound("Browsers have no passkeys for this address.")
        credential = page.form.get(factors.CREDENTIAL, "")
        done = await passkeys.register(page.on, page.by, ours, credential, named)
    except ApiError as error:
        return await _passkey(page, error)
    return _added(page, done, "passkey-added")


async def _passkey(page: PageRequest, error: ApiError | None = None) -> Response:
    ours = factors.party(page)
    return page.render(
        "account/security_passkey.html",
        error=error,
        section="account/security",
        options=None if ours is None else await _options(page, ours),
        given=page.form.get("name", "") if error else sessions.name(page.browser.agent),
        public_url=page.on.settings.public_url if origins.has_public_passkeys(page.on.settings) else "",
        host=urlsplit(page.on.url).hostname,
        local=page.on.url.replace("//127.0.0.1", "//localhost"),
        problems=forms.problems(page, error, LABELS),
    )


async def _options(page: PageRequest, ours: factors.RelyingParty) -> str:
    return factors.as_json(await passkeys.registration(page.on, page.by, ours, page.on.settings.brand_name))


def _added(page: PageRequest, done: ActivatedFactor, notice: str) -> Response:
    """Lead to the recovery codes that come with a first factor, or back."""
    if done.recovery_codes:
        return shown_once.redirect(page, CODES, {"codes": done.recovery_codes, "first": True})
    return page.redirect(PATH, notice)


# ---- recovery codes


async def create_codes(page: PageRequest) -> Response:
    """New codes, instead of those there were."""
    id = page.me.user.id
    codes = await second_factors.regenerate_recovery_codes(page.on, page.by, id, RecoveryCodesCreate())
    return shown_once.redirect(page, CODES, {"codes": codes, "first": False})


async def show_codes(page: PageRequest) -> Response:
    """Once it is too late, leads back."""
    shown = shown_once.found(page)
    if shown is None:
        return page.redirect(PATH)
    return page.render(
        "account/security_codes.html",
        secret=True,
        section="account/security",
        codes=shown["codes"],
        is_first=shown["first"],
        minutes=shown_once.MINUTES,
    )


async def download_codes(page: PageRequest) -> Response:
    """The recovery codes as a text file."""
    shown = shown_once.found(page, CODES)
    if shown is None:
        return page.redirect(PATH)
    settings = page.on.settings
    title = page.t("codes_file_title", email=page.me.user.email, brand=settings.brand_name, url=page.on.url)
    lines = [title, page.t("codes_file_lead"), "", *shown["codes"]]
    content = ("\r\n".join(lines) + "\r\n").encode()
    return download("recovery-codes.txt", "text/plain; charset=utf-8", content)
