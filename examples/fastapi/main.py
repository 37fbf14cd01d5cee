import asyncio
import logging
import os
from contextlib import suppress

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from rollbook_client import AsyncRollbook, RollbookError, errors

app = FastAPI()
rollbook = AsyncRollbook(max_wait=2, timeout=10)
SHOP = os.environ["SHOP_URL"]  # the URL of this application, also the audience of its sessions
refreshing = {}


class SignUp(BaseModel):
    name: str
    email: str
    password: str


class SignIn(BaseModel):
    """An email and a password, or the challenge that they were answered with and a code."""

    email: str | None = None
    password: str | None = None
    challenge: str | None = None
    code: str | None = None


class Forgotten(BaseModel):
    email: str


@app.exception_handler(RollbookError)
async def refused(request: Request, error: RollbookError):
    """What to tell a person whose request Rollbook refused."""
    if isinstance(error, errors.SecondFactorRequired):
        return JSONResponse({"error": error.message, "challenge": error.challenge}, 401)
    if isinstance(error, errors.TooManyAttempts):
        return JSONResponse({"error": f"Too many attempts. Try again in {error.retry_after:.0f} seconds."}, 429)
    if isinstance(error, (errors.BadRequest, errors.UserSuspended, errors.WrongCode, errors.WrongPassword)):
        return JSONResponse({"error": error.message}, error.status)
    logging.error("Rollbook: %s", error)
    return JSONResponse({"error": "That didn't work. Try again in a minute."}, 503)


@app.middleware("http")
async def keep_session(request: Request, call_next):
    """Keep a new session in a cookie of the browser, whatever else the response says."""
    if request.method == "POST" and not request.headers.get("content-type", "").startswith("application/json"):
        return JSONResponse({"error": "Send JSON."}, 415)  # forms of other sites can't send this type
    response = await call_next(request)
    if session := getattr(request.state, "new_session", None):
        tokens = f"{session.token}.{session.refresh_token}"
        # Browsers make an exception from `secure` for http://localhost, except Safari.
        response.set_cookie("session", tokens, max_age=30 * 86_400, secure=True, httponly=True, samesite="lax")
    return response


def refresh(token: str):
    """A refresh token works once, but a browser may send several requests with it at the same time."""
    if token not in refreshing:
        refreshing[token] = asyncio.ensure_future(rollbook.sessions.refresh(refresh_token=token, audience=SHOP))
        asyncio.get_running_loop().call_later(10, refreshing.pop, token)
    return asyncio.shield(refreshing[token])


async def current_session(request: Request):
    """The session of the person who is signed in. Use it as a dependency of every route that needs one."""
    token, _, refresh_token = request.cookies.get("session", "").partition(".")
    if token:
        with suppress(errors.SessionEnded):
            return await rollbook.sessions.verify(token=token, audience=SHOP)
        with suppress(errors.SessionEnded):
            request.state.new_session = await refresh(refresh_token)
            return request.state.new_session
    raise HTTPException(401, "Sign in first.")


async def send(request: Request, purpose: str, email: str):
    """Send a link that leads to a page of Rollbook, and from there back here."""
    await rollbook.tokens.request(
        purpose=purpose, email=email, redirect_url=f"{SHOP}/shop.html", address=request.client.host
    )


def person(session) -> dict:
    user = session.user
    return {"name": user.name, "email": user.email, "email_verified": user.email_verified}


@app.post("/api/users", status_code=201)
async def sign_up(request: Request, new: SignUp):
    await rollbook.users.create(name=new.name, email=new.email, password=new.password)
    await send(request, "verify_email", new.email)
    return await sign_in(request, SignIn(email=new.email, password=new.password))


@app.post("/api/session")
async def sign_in(request: Request, given: SignIn):
    proof = given.model_dump(exclude_none=True)
    session = await rollbook.sessions.create(audience=SHOP, address=request.client.host, **proof)
    request.state.new_session = session
    return person(session)


@app.get("/api/session")
async def who(session=Depends(current_session)):
    return person(session)


@app.delete("/api/session", status_code=204)
async def sign_out(session=Depends(current_session)):
    await rollbook.sessions.end(session.id)


@app.post("/api/forgot", status_code=202)
async def forgot(request: Request, forgotten: Forgotten):
    await send(request, "reset_password", forgotten.email)


@app.post("/api/confirmation", status_code=202)
async def confirm(request: Request, session=Depends(current_session)):
    await send(request, "verify_email", session.user.email)


app.mount("/", StaticFiles(directory="public"))
