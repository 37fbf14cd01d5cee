"""People sign in to a Flask application.

>>> app = Flask(__name__)
>>> sign_in = SignIn(app)
>>> @app.get("/")
... @sign_in.required
... def home():
...     return f"Hello, {escape(sign_in.user.name)}!"
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import flask

from ..types import Event, User
from . import _messages, _webhooks
from ._messages import Page
from ._sign_in import Current, Pages, Unavailable

__all__ = ["Page", "SignIn", "webhook"]


class SignIn:
    """Adds `/sign-in`, `/sign-up`, `/sign-out`, `/forgot-password` and `/confirm-email` to an application.

    Args:
        app: Of Flask.
        options: `client`, `url`, `audience`, `sign_up` and `page`: see docs/sign-in.md.
    """

    def __init__(self, app: flask.Flask, **options: Any) -> None:
        self._pages = Pages(**options)
        app.before_request(self._answer)
        app.after_request(self._keep)
        app.register_error_handler(Unavailable, self._unavailable)

    @property
    def user(self) -> User | None:
        """The person who is signed in, as they are now."""
        return self._current.user

    def required(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """A view for people who are signed in. Others are sent to sign in, and come back."""

        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if self.user is None:
                return _response(self._pages.asked_to_sign_in(_request()))
            return flask.current_app.ensure_sync(view)(*args, **kwargs)

        return checked

    @property
    def _current(self) -> Current:
        if "rollbook" not in flask.g:
            flask.g.rollbook = self._pages.current(_request())
        return flask.g.rollbook

    def _answer(self) -> flask.Response | None:
        if not self._pages.has(flask.request.method, flask.request.path):
            return None
        if (flask.request.content_length or 0) > _messages.MAX_BODY:
            flask.abort(413)
        return _response(self._pages.answer(_request(flask.request.get_data())))

    def _keep(self, response: flask.Response) -> flask.Response:
        current: Current | None = flask.g.get("rollbook")
        for name, value in current.headers if current else ():
            response.headers.add(name, value) if name == "Set-Cookie" else response.headers.set(name, value)
        return response

    def _unavailable(self, error: Unavailable) -> flask.Response:
        return _response(self._pages.unavailable(_request(), error))


def webhook(handle: Callable[[Event], Any], secret: str | None = None) -> Callable[[], Any]:
    """A view for a webhook: calls `handle` with each event. The secret is read from WEBHOOK_SECRET by default."""

    @wraps(handle)
    def view() -> Any:
        event = _webhooks.verified(flask.request.get_data(), dict(flask.request.headers), secret)
        if event is None:
            return "", 400
        flask.current_app.ensure_sync(handle)(event)
        return "", 204

    return view


def _request(body: bytes = b"") -> _messages.Request:
    request = flask.request
    headers = {name.lower(): value for name, value in request.headers}
    query = request.query_string.decode("ascii", "replace")
    return _messages.Request(request.method, request.path, query, request.scheme, headers, body, request.remote_addr)


def _response(answer: _messages.Response) -> flask.Response:
    return flask.Response(answer.body, answer.status, answer.headers)
