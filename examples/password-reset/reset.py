import os
import smtplib
import threading
from email.message import EmailMessage

from flask import Flask, redirect, render_template_string, request
from rollbook_client import BadRequest, Rollbook, RollbookError, SecondFactorRequired, TokenInvalid, WrongCode

app = Flask(__name__)
rollbook = Rollbook(max_wait=2, timeout=10)
HOME = os.environ.get("SHOP_URL", "http://localhost:5000") + "/sign-in"
URL = os.environ.get("RESET_URL", "http://localhost:5001")

FORGOT = """<!doctype html>
<title>Forgot password</title>
<form method="post">
  <input type="email" name="email" placeholder="Email" autocomplete="username" required>
  <button>Send a link</button>
</form>
"""
SENT = "If this email has an account, we have sent a link to it."
CHOOSE = """<!doctype html>
<title>New password</title>
{% if problem %}<p role="alert">{{ problem }}</p>{% endif %}
<form method="post" action="/set-password">
  <input type="hidden" name="token" value="{{ token }}">
  <input type="password" name="password" placeholder="New password" autocomplete="new-password" required>
  {% if needs_code %}<input name="code" placeholder="Code" autocomplete="one-time-code" required>{% endif %}
  <button>Set password</button>
</form>
"""


@app.after_request
def keep_tokens_secret(response):
    response.headers["Referrer-Policy"] = "no-referrer"  # the URL has the token
    response.headers["Cache-Control"] = "no-store"
    return response


@app.get("/forgot-password")
def ask_for_email():
    return FORGOT


@app.post("/forgot-password")
def forgot_password():
    # In the background: how long it takes would tell whether the account exists.
    threading.Thread(target=send_link, args=(request.form["email"],)).start()
    return SENT


def send_link(email):
    try:
        for user in rollbook.users.list(email=email, status="active"):  # none or one
            send_email(user, rollbook.users.create_token(user.id, purpose="reset_password").token)
    except (RollbookError, OSError) as error:
        app.logger.error("No link was sent: %s", error)


def send_email(user, token):
    message = EmailMessage()
    message["From"] = "Shop <no-reply@shop.example.com>"
    message["To"] = user.email
    message["Subject"] = "Set a new password"
    message.set_content(
        f"Hello {user.name},\n\n"
        f"Set a new password here. The link works once, for 30 minutes:\n\n{URL}/set-password?token={token}\n\n"
        "If you didn't ask for this, ignore this email. Your password is unchanged.\n"
    )
    with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ.get("SMTP_PORT", "25")), timeout=10) as smtp:
        smtp.send_message(message)


@app.get("/set-password")
def ask_for_password():
    return choose(request.args.get("token", ""))


def choose(token, problem="", status=200, needs_code=False):
    return render_template_string(CHOOSE, token=token, problem=problem, needs_code=needs_code), status


@app.post("/set-password")
def set_password():
    token = request.form["token"]
    code = {"code": request.form["code"]} if request.form.get("code") else {}
    try:
        rollbook.tokens.consume(token=token, password=request.form["password"], address=request.remote_addr, **code)
    except (SecondFactorRequired, WrongCode):  # they have an authenticator app: the link still works
        problem = "Enter the password again, and a code of your authenticator app."
        return choose(token, problem, 401, needs_code=True)
    except TokenInvalid:
        return "This link has been used already, or is too old. Ask for another one.", 400
    except BadRequest as error:  # the password is too easy to guess: the link still works
        return choose(token, error.message, error.status)
    except RollbookError as error:
        app.logger.error("Rollbook: %s", error)
        return choose(token, "That didn't work. Try again in a minute.", 503)
    return redirect(HOME, 303)
