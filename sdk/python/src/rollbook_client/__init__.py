"""Python client of Rollbook, the self-hosted users API.

>>> from rollbook_client import Rollbook
>>> client = Rollbook()  # reads ROLLBOOK_URL and ROLLBOOK_KEY
>>> for user in client.users.list():
...     print(user.email)
"""

from __future__ import annotations

from rollbook_client import types
from rollbook_client._async.client import AsyncRollbook
from rollbook_client._async.pages import AsyncPager
from rollbook_client._pages import Page
from rollbook_client._requests import OMIT, Omit
from rollbook_client._responses import RawResponse
from rollbook_client._sync.client import Rollbook
from rollbook_client._sync.pages import Pager
from rollbook_client._version import __version__
from rollbook_client.errors import *  # noqa: F403
from rollbook_client.errors import __all__ as _errors

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
