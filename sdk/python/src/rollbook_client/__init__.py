"""Python client of Rollbook, the self-hosted users API.

>>> from rollbook_client import Rollbook
>>> client = Rollbook()  # reads ROLLBOOK_URL and ROLLBOOK_KEY
>>> for user in client.users.list():
...     print(user.email)
"""

from __future__ import annotations

from . import types
from ._async.client import AsyncRollbook
from ._async.pages import AsyncPager
from ._pages import Page
from ._requests import OMIT, Omit
from ._responses import RawResponse
from ._sync.client import Rollbook
from ._sync.pages import Pager
from ._version import __version__
from .errors import *  # noqa: F403
from .errors import __all__ as _errors

__all__ = [
    "OMIT",
    "AsyncPager",
    "AsyncRollbook",
    "Omit",
    "Page",
    "Pager",
    "RawResponse",
    "Rollbook",
    "__version__",
    "types",
    *_errors,
]
