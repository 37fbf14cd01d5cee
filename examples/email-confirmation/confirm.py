import os
import smtplib
from email.message import EmailMessage

from flask import Flask, render_template_string, request
from rollbook_client import BadRequest, Rollbook, RollbookError, TokenInvalid

app = Flask(__name__)
rollbook = Rollbook(max_wait=2, timeout=10)
URL = os.environ.get("SHOP_URL", "http://localhost:5000")

PAGE = """<!doctype html>
<title>Shop</title>
{% if said %}<p role="status">{{ said }}</p>{% endif %}
{% if token %}
  <form method="post" action="/confirm">
    <input type="hidden" name="token" value="{{ token }}">
    <button>Confirm my email</button>
  </form>
{% else %}
  <form method="post" action="/sign-up">
    <input name="name" placeholder="Name" autocomplete="name" required>
    <input type="email" name="email" placeholder="Email" autocomplete="username" required>
    <input type="password" name="password" placeholder="Password" autocomplete="new-password" required>
    <button>Sign up</button>
  </form>
{% endif %}
"""


def page(said="", status=200, token=""):
    return render_template_string(PAGE, said=said, token=token), status


@app.after_request
def keep_tokens_secret(response):
    response.headers["Referrer-Policy"] = "no-referrer"  # the URL has the token
    response.headers["Cache-Control"] = "no-store"
    return response


@app.get("/")
def home():
    return page()


@app.post("/sign-up")
def sign_up():
    form = request.form
    try:
        user = rollbook.users.create(name=form["name"], email=form["email"], password=form["password"])
        send_link(user.email, user.id, "verify_email")
    except BadRequest as error:
        return page(error.message, error.status)
    except (RollbookError, OSError) as error:
        app.logger.error("No link was sent: %s", error)
        return page("That didn't work. Try again in a minute.", 503)
    return page(f"We have sent a link to {user.email}.")


def change_email(user_id, email):
    """Call this for who is signed in, once they have typed their password. Raises BadRequest, such as EmailTaken."""
    send_link(email, user_id, "change_email", email=email)


def send_link(to, user_id, purpose, **fields):
    token = rollbook.users.create_token(user_id, purpose=purpose, **fields).token
    message = EmailMessage()
    message["From"] = "Shop <no-reply@shop.example.com>"
    message["To"] = to
    message["Subject"] = "Confirm your email"
    message.set_content(
        f"Confirm your email here. The link works once, for 24 hours:\n\n{URL}/confirm?token={token}\n\n"
        "If you didn't sign up at Shop, ignore this email.\n"
    )
    with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ.get("SMTP_PORT", "25")), timeout=10) as smtp:
        smtp.send_message(message)


@app.get("/confirm")
def ask():
    # Nothing happens yet: mail programs open links, too.
    return page(token=request.args.get("token", ""))


@app.post("/confirm")
def confirm():
    try:
        user = rollbook.tokens.consume(token=request.form["token"], address=request.remote_addr)
    except TokenInvalid:
        return page("This link has been used already, or is too old. Sign in to get another one.", 400)
    except BadRequest as error:  # the new email belongs to somebody else by now
        return page(error.message, error.status)
    except RollbookError as error:
        app.logger.error("Rollbook: %s", error)
        return page("That didn't work. Try again in a minute.", 503)
    return page(f"Thank you, {user.name}. {user.email} is confirmed.")
