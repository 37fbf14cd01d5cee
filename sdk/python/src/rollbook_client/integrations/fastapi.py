"""People sign in to a FastAPI application.

>>> app = FastAPI()
>>> sign_in = SignIn(app)
>>> @app.get("/")
... def home(user: Annotated[User, Depends(sign_in.user)]):
...     return f"Hello, {user.name}!"
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import fastapi
from fastapi.concurrency import run_in_threadpool

from ..types import Event, User
from . import _messages, _webhooks
from ._messages import Page
from ._sign_in import Current, Pages, Unavailable

__all__ = ["Page", "SignIn", "User", "webhook"]


class _NotSignedIn(Exception):
    pass


class SignIn:
    """Adds `/sign-in`, `/sign-up`, `/sign-out`, `/forgot-password` and `/confirm-email` to an application.

    Args:
        app: Of FastAPI.
        options: `client`, `url`, `audience`, `sign_up` and `page`: see docs/sign-in.md.
    """

    def __init__(self, app: fastapi.FastAPI, **options: Any) -> None:
        self._pages = Pages(**options)
        app.middleware("http")(self._answer)
        app.exception_handler(_NotSignedIn)(self._ask)
        app.exception_handler(Unavailable)(self._unavailable)

    def user(self, request: fastapi.Request) -> User:
        """The person who is signed in, as they are now: a dependency. Others are sent to sign in, and come back."""
        user = self.user_or_none(request)
        if user is None:
            raise _NotSignedIn
        return user

    def user_or_none(self, request: fastapi.Request) -> User | None:
        """The person who is signed in, or None: a dependency."""
        if not hasattr(request.state, "rollbook"):
            request.state.rollbook = self._pages.current(_request(request))
        return request.state.rollbook.user

    async def _answer(
        self, request: fastapi.Request, call_next: Callable[[fastapi.Request], Awaitable[fastapi.Response]]
    ) -> fastapi.Response:
        if self._pages.has(request.method, request.url.path):
            body = b""
            async for chunk in request.stream():
                body += chunk
                if len(body) > _messages.MAX_BODY:
                    break
            return _response(await run_in_threadpool(self._pages.answer, _request(request, body)))
        response = await call_next(request)
        current: Current | None = getattr(request.state, "rollbook", None)
        for name, value in current.headers if current else ():
            response.headers.append(name, value) if name == "Set-Cookie" else response.headers.update({name: value})
        return response

    async def _ask(self, request: fastapi.Request, error: Exception) -> fastapi.Response:
        return _response(self._pages.asked_to_sign_in(_request(request)))

    async def _unavailable(self, request: fastapi.Request, error: Exception) -> fastapi.Response:
        assert isinstance(error, Unavailable)
        return _response(self._pages.unavailable(_request(request), error))


def webhook(handle: Callable[[Event], Any], secret: str | None = None) -> Callable[[fastapi.Request], Any]:
    """A route for a webhook: calls `handle` with each event. The secret is read from WEBHOOK_SECRET by default."""

    async def view(request: fastapi.Request) -> fastapi.Response:
        event = _webhooks.verified(await request.body(), request.headers, secret)
        if event is None:
            return fastapi.Response(status_code=400)
        if inspect.iscoroutinefunction(handle):
            await handle(event)
        else:
            await run_in_threadpool(handle, event)
        return fastapi.Response(status_code=204)

    view.__name__ = handle.__name__
    view.__annotations__ = {"request": fastapi.Request, "return": fastapi.Response}
    return view


def _request(request: fastapi.Request, body: bytes = b"") -> _messages.Request:
    address = request.client.host if request.client else None
    url = request.url
    return _messages.Request(request.method, url.path, url.query, url.scheme, request.headers, body, address)


def _response(answer: _messages.Response) -> fastapi.Response:
    response = fastapi.Response(answer.body, answer.status)
    for name, value in answer.headers:
        response.headers.append(name, value)
    return response
