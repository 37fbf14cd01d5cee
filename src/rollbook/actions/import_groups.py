"""The groups of imported users, a batch at a time. Users are added to those that the file names, and leave none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rollbook.actions import groups
from rollbook.actions.arguments import ImportedUser
from rollbook.actions.principal import Principal
from rollbook.errors import GroupLimitReached
from rollbook.records import groups as group_records
from rollbook.records import users
from rollbook.storage.database import Tx


def named(user: ImportedUser) -> Mapping[str, str]:
    """The user's role in each group that the file names."""
    return user.groups if isinstance(user.groups, Mapping) else {}


class Memberships:
    """Memberships of a batch: collected while its users are written, and then written together."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        self._ids = ids
        self._joining: dict[str, dict[str, str]] = {}

    @classmethod
    async def of(cls, tx: Tx, by: Principal, new: Iterable[ImportedUser]) -> Memberships:
        """Creates the groups that don't exist."""
        names = dict.fromkeys(name for user in new for name in named(user))
        return cls(await groups.named(tx, by, [*names]) if names else {})

    def check(self, user: ImportedUser) -> None:
        """Raises GroupLimitReached: a group of theirs can't be created."""
        if not all(name in self._ids for name in named(user)):
            raise GroupLimitReached(f"There are {groups.MAX_GROUPS:,} groups, and this one would be another.")

    async def changes(self, tx: Tx, user_id: str, user: ImportedUser) -> bool:
        """Test whether an existing user is not in their groups yet, with their roles. Raises GroupLimitReached."""
        wanted = self._wanted(user)
        if not wanted:
            return False
        roles = {each.group_id: each.role for each in await group_records.of_user(tx, user_id)}
        if len(roles.keys() | wanted.keys()) > groups.MAX_MEMBERSHIPS:
            raise GroupLimitReached(f"The user would be in more than {groups.MAX_MEMBERSHIPS:,} groups.")
        return not roles.items() >= wanted.items()

    def _wanted(self, user: ImportedUser) -> dict[str, str]:
        return {self._ids[name]: role for name, role in named(user).items()}

    def note(self, user_id: str, user: ImportedUser) -> None:
        for id, role in self._wanted(user).items():
            self._joining.setdefault(id, {})[user_id] = role

    async def write(self, tx: Tx, by: Principal) -> None:
        """Users are locked before groups, as all do who lock both, and groups in the order of their IDs."""
        if not self._joining:
            return
        await users.hold(tx, sorted({user_id for roles in self._joining.values() for user_id in roles}))
        for id in sorted(self._joining):
            await groups.put_members(tx, by, id, self._joining[id])
