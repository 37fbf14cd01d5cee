import os
from html import escape

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from rollbook_client.integrations.fastapi import SignIn, User

app = FastAPI()
sign_in = SignIn(app, url=os.environ["SHOP_URL"])

HOME = "<h1>Hello, {}</h1> <form method=post action=/sign-out><button>Sign out</button></form>"


@app.get("/", response_class=HTMLResponse)
def home(user: User = Depends(sign_in.user)):
    return HOME.format(escape(user.name))
