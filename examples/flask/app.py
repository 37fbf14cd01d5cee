from __future__ import annotations

import os
import threading
import time

from flask import Flask, abort, g, redirect, render_template, request
from rollbook_client import Rollbook, RollbookError, errors

app = Flask(__name__)
rollbook = Rollbook(max_wait=2, timeout=10)
SHOP = os.environ["SHOP_URL"]  # the URL of this application, also the audience of its sessions
refreshed, lock = {}, threading.Lock()


def refresh(token):
    """A refresh token works once, but a browser may send several requests with it at the same time."""
    with lock:
        for old in [each for each, (at, _) in refreshed.items() if at < time.monotonic() - 10]:
            del refreshed[old]
        if token not in refreshed:
            refreshed[token] = time.monotonic(), rollbook.sessions.refresh(refresh_token=token, audience=SHOP)
        return refreshed[token][1]


@app.before_request
def find_session():
    """The session of the person who is signed in, or None."""
    g.session = g.new_session = None
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none") and request.method == "POST":
        abort(403)  # a form of another site, or of another subdomain
    token, _, refresh_token = request.cookies.get("session", "").partition(".")
    if token:
        try:
            g.session = rollbook.sessions.verify(token=token, audience=SHOP)
        except errors.SessionEnded:
            try:
                g.session = g.new_session = refresh(refresh_token)
            except errors.SessionEnded:
                pass


@app.after_request
def keep_session(response):
    if (session := g.get("new_session")) is not None:
        tokens = f"{session.token}.{session.refresh_token}"
        # Browsers make an exception from `secure` for http://localhost, except Safari.
        response.set_cookie("session", tokens, max_age=30 * 86_400, secure=True, httponly=True, samesite="Lax")
    return response


def page(name="home.html", status=200, **values):
    return render_template(name, user=g.session and g.session.user, **values), status


@app.errorhandler(RollbookError)
def refused(error):
    """What to tell a person whose request Rollbook refused."""
    if isinstance(error, errors.SecondFactorRequired):
        return page("code.html", challenge=error.challenge)
    name, values = ("code.html", request.form) if isinstance(error, errors.WrongCode) else ("home.html", {})
    if isinstance(error, errors.TooManyAttempts):
        return page(name, 429, problem=f"Too many attempts. Try again in {error.retry_after:.0f} seconds.", **values)
    if isinstance(error, (errors.BadRequest, errors.UserSuspended, errors.WrongCode, errors.WrongPassword)):
        return page(name, error.status, problem=error.message, **values)
    app.logger.error("Rollbook: %s", error)
    return page(name, 503, problem="That didn't work. Try again in a minute.", **values)


@app.get("/")
@app.get("/sign-in")
def home():
    return page()


@app.post("/sign-up")
def sign_up():
    form = request.form
    rollbook.users.create(name=form["name"], email=form["email"], password=form["password"])
    send("verify_email", form["email"])
    return sign_in()


@app.post("/sign-in")
def sign_in():
    names = ("challenge", "code") if "challenge" in request.form else ("email", "password")
    proof = {name: request.form[name] for name in names}
    g.new_session = rollbook.sessions.create(audience=SHOP, address=request.remote_addr, **proof)
    return redirect("/", 303)


@app.post("/sign-out")
def sign_out():
    if g.session:
        rollbook.sessions.end(g.session.id)
    return redirect("/", 303)


@app.post("/forgot")
def forgot():
    send("reset_password", request.form["email"])
    return page(notice="If you have an account, you get an email with a link.")


@app.post("/confirm")
def confirm():
    if g.session:
        send("verify_email", g.session.user.email)
    return page(notice="You get an email with a link.")


def send(purpose, email):
    """The link leads to a page of Rollbook, and from there back here."""
    rollbook.tokens.request(purpose=purpose, email=email, redirect_url=f"{SHOP}/", address=request.remote_addr)
