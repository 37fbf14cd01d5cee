import os

from flask import Flask, render_template_string
from rollbook_client.integrations.flask import SignIn

app = Flask(__name__)
sign_in = SignIn(app, url=os.environ["SHOP_URL"])

HOME = "<h1>Hello, {{ user.name }}</h1> <form method=post action=/sign-out><button>Sign out</button></form>"


@app.get("/")
@sign_in.required
def home():
    return render_template_string(HOME, user=sign_in.user)
