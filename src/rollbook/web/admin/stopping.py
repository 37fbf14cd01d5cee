"""Sentences that say, before somebody is suspended, deleted or demoted, how much that others have stops with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import NamedTuple

from rollbook.actions import creators
from rollbook.actions.context import Rollbook
from rollbook.actions.creators import GoingBack
from rollbook.actions.previews import DryRun, looking, working
from rollbook.actions.principal import Principal
from rollbook.errors import ApiError
from rollbook.records.users import User
from rollbook.web.page_request import PageRequest


class StopWarnings(NamedTuple):
    """Sentences that begin with a space; empty if nothing stops."""

    pauses: str
    ends: str
    """Once they are deleted."""
    demotion: str
    link: str = ""
    """The list of the keys; empty if there are none, or the reader may not see them."""
    count: int = 0


NOTHING = StopWarnings("", "", "")


async def of_users(page: PageRequest, users: Iterable[User]) -> dict[str, StopWarnings]:
    """By the ID of the user, for those who may suspend and delete them."""
    stopping = {user.id: NOTHING for user in users}
    if page.may("users:write"):
        above = [user.id for user in users if user.role != "member"]
        for id, holdings in (await creators.going_back(page.on, page.by, above)).items():
            stopping[id] = StopWarnings(
                _sentence([holdings], "pause"),
                _sentence([holdings], "end"),
                _sentence([holdings], "end", " with a role below admin"),
                f"/admin/keys?created_by={id}" if holdings.keys and page.may("keys:read") else "",
                len(holdings.keys) + len(holdings.webhooks),
            )
    return stopping


async def of_user(page: PageRequest, user: User) -> StopWarnings:
    """Sentences about one user, also with what is their own."""
    stops = (await of_users(page, [user]))[user.id]
    in_all = await page.on.read(working, page.on, [user.id]) if page.may("users:write") else ()
    return stops._replace(pauses=stops.pauses + _in_all(map(len, in_all)))


async def previewed(page: PageRequest, act: Callable[[Rollbook, Principal], Awaitable[object]]) -> str:
    """A sentence, which begins with a space, that says what an action would end; empty if nothing, or if it would be
    refused."""
    preview = DryRun(page.on, page.by)
    try:
        await act(preview.on, looking(page.by))
    except ApiError:
        return ""
    return _in_all(preview.ends)


def _in_all(counts: Iterable[int]) -> str:
    named = zip(counts, ("session", "API key", "webhook"), strict=False)
    texts = [f"{count:,} {name}{'' if count == 1 else 's'}" for count, name in named if count]
    return f" In all, this stops {', '.join(texts[:-1])}{' and ' if texts[1:] else ''}{texts[-1]}." if texts else ""


async def of_all(page: PageRequest, ids: Collection[str], verb: str) -> str:
    """One sentence for all of these users."""
    return _sentence((await creators.going_back(page.on, page.by, ids)).values(), verb)


def uncounted(verb: str) -> str:
    return f" API keys and webhooks that they created for others {verb} as well."


def _sentence(parts: Collection[GoingBack], verb: str, when: str = "") -> str:
    keys, webhooks = {id for part in parts for id in part.keys}, {id for part in parts for id in part.webhooks}
    kinds = (("API key", len(keys)), ("webhook", len(webhooks)))
    texts = [f"{count:,} {kind}{'' if count == 1 else 's'}" for kind, count in kinds if count]
    if not texts:
        return ""
    verbs = verb if len(keys) + len(webhooks) > 1 else f"{verb}s"
    return f" {' and '.join(texts)} that they created for others {verbs}{when or ' as well'}."
