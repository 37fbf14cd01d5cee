"""People sign in to a Django application.

>>> MIDDLEWARE = ["rollbook_client.integrations.django.SignIn"]  # in the settings
>>> @required
... def home(request):
...     return HttpResponse(f"Hello, {escape(current_user(request).name)}!")
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from ..types import Event, User
from . import _messages, _webhooks
from ._messages import Page
from ._sign_in import Current, Pages, Unavailable

__all__ = ["Page", "SignIn", "current_user", "required", "webhook"]
_ATTRIBUTE = "_rollbook"


class SignIn:
    """A middleware that adds `/sign-in`, `/sign-up`, `/sign-out`, `/forgot-password` and `/confirm-email`.

    The setting `ROLLBOOK` has its options, such as `{"url": "https://shop.example.com"}`: see the page "Sign your users
    in" of the guide.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._pages = Pages(**getattr(settings, "ROLLBOOK", {}))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        setattr(request, _ATTRIBUTE, _Session(self._pages, request))
        if self._pages.has(str(request.method), request.path):
            return _response(self._pages.answer(_request(request, request.body)))
        response = self._get_response(request)
        current: Current | None = getattr(request, _ATTRIBUTE).current
        return _with_headers(response, list(current.headers) if current else [])

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, Unavailable):
            return None
        return _response(self._pages.unavailable(_request(request), error))


class _Session:
    def __init__(self, pages: Pages, request: HttpRequest) -> None:
        self.pages = pages
        self.current: Current | None = None
        self._request = request

    def user(self) -> User | None:
        if self.current is None:
            self.current = self.pages.current(_request(self._request))
        return self.current.user


def current_user(request: HttpRequest) -> User | None:
    """The person who is signed in, as they are now."""
    return getattr(request, _ATTRIBUTE).user()


def required(view: Callable[..., Any]) -> Callable[..., Any]:
    """A view for people who are signed in. Others are sent to sign in, and come back."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if current_user(request) is None:
            return _response(getattr(request, _ATTRIBUTE).pages.asked_to_sign_in(_request(request)))
        return view(request, *args, **kwargs)

    return checked


def webhook(handle: Callable[[Event], Any], secret: str | None = None) -> Callable[[HttpRequest], HttpResponse]:
    """A view for a webhook: calls `handle` with each event. The secret is read from WEBHOOK_SECRET by default."""

    @csrf_exempt
    def view(request: HttpRequest) -> HttpResponse:
        event = _webhooks.verified(request.body, request.headers, secret) if request.method == "POST" else None
        if event is None:
            return HttpResponse(status=400)
        handle(event)
        return HttpResponse(status=204)

    return view


def _request(request: HttpRequest, body: bytes = b"") -> _messages.Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    query, address = request.META.get("QUERY_STRING", ""), request.META.get("REMOTE_ADDR")
    return _messages.Request(str(request.method), request.path, query, str(request.scheme), headers, body, address)


def _response(answer: _messages.Response) -> HttpResponse:
    return _with_headers(HttpResponse(answer.body, status=answer.status, content_type="text/html"), answer.headers)


def _with_headers(response: HttpResponse, headers: list[tuple[str, str]]) -> HttpResponse:
    for name, value in headers:
        if name == "Set-Cookie":
            response.cookies.load(value)
        else:
            response[name] = value
    return response
