"""Groups of users, and who is in them, with which role there.

Members are in the order in which the users were added. Those who are deleted leave their groups until they are
restored: triggers see to that, so every row of `group_members` is about a living user.

Members of a group as a filter of users.

The groups of a user as one text, in files: `Design;Support:lead`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from rollbook import clock, ids
from rollbook.errors import ExternalIdTaken
from rollbook.records import rules
from rollbook.records.presenting import Hidden, Json, Time, presenter
from rollbook.records.user_search import folding
from rollbook.storage.database import Duplicate, Queries, Row, Statement, Tx, existing, first, in_parts, scalar


class Group(NamedTuple):
    """A group as stored. The defaults are those of a new one."""

    id: str
    name: str
    external_id: str | None = None
    metadata: Json = "{}"
    members: int = 0
    version: Hidden[int] = 1
    created_at: Time = 0
    updated_at: Time = 0


class Member(NamedTuple):
    """A user in a group."""

    seq: Hidden[int]
    user_id: str
    name: str
    email: str
    role: str
    added_at: Time


class Membership(NamedTuple):
    """A group of a user."""

    group_id: str
    group_name: str
    role: str
    added_at: Time


class Candidate(NamedTuple):
    """A user who is to be in a group."""

    seq: int
    role: str | None
    """The role that they have there; None: they are no member."""
    role_of_user: str


class GroupSelection(NamedTuple):
    """Selection of groups. None means any."""

    q: str | None = None
    """Part of the name, ignoring case and accents."""
    name: str | None = None
    """The name, ignoring case."""
    external_id: str | None = None
    user_id: str | None = None
    """Only groups of this user."""


public = presenter(Group)
public_part = lru_cache(maxsize=64)(lambda names: presenter(Group, names))
public_member = presenter(Member)
public_membership = presenter(Membership)

ORDERS = {
    "created_at": "g.id",
    "-created_at": "g.id DESC",
    "name": "name_key, g.id",
    "-name": "name_key DESC, g.id DESC",
}
COLUMNS = ", ".join(Group._fields)
KEPT = (*Group._fields, "name_key", "search_text")
LISTED = ", ".join(f"g.{column}" for column in Group._fields)

BY_ID = Statement(f"SELECT {COLUMNS} FROM groups WHERE id = ?", locks=True)
ADD = f"INSERT INTO groups ({', '.join(KEPT)}) VALUES ({', '.join('?' * len(KEPT))})"
REMOVE = "DELETE FROM groups WHERE id = ?"
NOTE_REMOVED = "INSERT INTO deleted_groups (id) VALUES (?)"
COUNTED = f"""
    UPDATE groups SET members = members + ?, version = version + 1, updated_at = ? WHERE id = ? RETURNING {COLUMNS}"""
OF_USER = """
    SELECT g.id, g.name, m.role, m.added_at FROM group_members AS m JOIN groups AS g ON g.id = m.group_id
    WHERE m.user_id = ? ORDER BY g.name_key, g.id"""
MEMBER = """
    SELECT m.user_seq, m.user_id, u.name, u.email, m.role, m.added_at
    FROM group_members AS m JOIN users AS u ON u.seq = m.user_seq WHERE m.group_id = ? AND m.user_id = ?"""
# The page first: joined with all users, PostgreSQL would go through those before it.
MEMBERS = """
    SELECT page.user_seq, page.user_id, u.name, u.email, page.role, page.added_at
    FROM (SELECT * FROM group_members WHERE group_id = ? AND user_seq > ? ORDER BY user_seq LIMIT ?) AS page
    JOIN users AS u ON u.seq = page.user_seq ORDER BY page.user_seq"""
PERSON_IDS = """
    SELECT user_id FROM group_members
    WHERE group_id = ? AND user_seq NOT IN (SELECT seq FROM users WHERE kind = 'application')
    ORDER BY user_seq LIMIT ?"""
JOIN = "INSERT INTO group_members (group_id, user_seq, user_id, role, added_at) VALUES (?, ?, ?, ?, ?)"
SET_ROLE = "UPDATE group_members SET role = ? WHERE group_id = ? AND user_seq = ?"
LEAVE = "DELETE FROM group_members WHERE group_id = ? AND user_seq = ?"

AT_ONCE = 100
"""Users of a statement."""
_USERS = f"({', '.join('?' * AT_ONCE)})"
CANDIDATES = f"""
    SELECT u.id, u.seq, m.role, u.role
    FROM users AS u LEFT JOIN group_members AS m ON m.group_id = ? AND m.user_seq = u.seq WHERE u.id IN {_USERS}"""
IN_MANY = f"""
    SELECT m.user_id FROM group_members AS m JOIN groups AS g ON g.id = m.group_id
    WHERE m.user_id IN {_USERS} GROUP BY m.user_id HAVING count(*) >= ? LIMIT 1"""

BY_NAME = f"SELECT name_key, name, id FROM groups WHERE name_key IN {_USERS} ORDER BY name_key, id DESC"
OF_USERS = f"""
    SELECT m.user_id, g.name, m.role FROM group_members AS m JOIN groups AS g ON g.id = m.group_id
    WHERE m.user_id IN {_USERS} ORDER BY g.name_key, g.id"""

LEFT_OVER = "SELECT id FROM deleted_groups LIMIT 1"
FORGET = """
    DELETE FROM group_members WHERE group_id = ? AND user_seq <= (
        SELECT max(user_seq) FROM (
            SELECT user_seq FROM group_members WHERE group_id = ? ORDER BY user_seq LIMIT ?) AS first)"""
FORGOTTEN = "DELETE FROM deleted_groups WHERE id = ?"


# ---- groups


async def get(queries: Queries, id: str) -> Group:
    """Raises NotFound."""
    return Group._make(await existing(queries, BY_ID, id))


async def by_id(queries: Queries, id: str) -> Group | None:
    row = await queries.one(BY_ID, id)
    return Group._make(row) if row else None


async def by_names(queries: Queries, names: Sequence[str]) -> dict[str, str]:
    """IDs of the groups with these names, by name; ignoring case where none has the very name. Of several, the
    oldest."""
    oldest: dict[str, str] = {}
    for part in in_parts([*dict.fromkeys(map(rules.fold, names))], AT_ONCE):
        for key, name, id in await queries.all(BY_NAME, *part):
            oldest[f"name {name}"] = oldest[f"key {key}"] = id
    ids_by_name = {name: oldest.get(f"name {name}") or oldest.get(f"key {rules.fold(name)}") for name in names}
    return {name: id for name, id in ids_by_name.items() if id is not None}


async def some(
    queries: Queries, selection: GroupSelection, limit: int, offset: int = 0, sort: str = "created_at"
) -> list[Group]:
    where, values = _where(selection)
    sql = f"SELECT {LISTED} FROM groups AS g{where} ORDER BY {ORDERS[sort]} LIMIT ? OFFSET ?"
    return [Group._make(row) for row in await queries.all(sql, *values, limit, offset)]


async def count(queries: Queries, selection: GroupSelection = GroupSelection()) -> int:  # noqa: B008 - it never changes
    where, values = _where(selection)
    return await scalar(queries, f"SELECT count(*) FROM groups AS g{where}", *values)


def _where(selection: GroupSelection) -> tuple[str, list[Any]]:
    name = None if selection.name is None else rules.fold(selection.name)
    conditions = {
        "name_key = ?": name,
        "external_id = ?": selection.external_id,
        "g.id IN (SELECT group_id FROM group_members WHERE user_id = ?)": selection.user_id,
    }
    used = {condition: value for condition, value in conditions.items() if value is not None}
    parts, values = [*used], [*used.values()]
    if selection.q:
        spellings = folding.spellings(selection.q)
        # Not LIKE, which takes seconds to look for "aaab" in 100,000 long names that are all "aaaa".
        holds = "replace(search_text, ?, '') <> search_text"
        parts.append(f"({' OR '.join([holds] * len(spellings))})")
        values += spellings
    return f" WHERE {' AND '.join(parts)}" if parts else "", values


def new(name: str, **fields: Any) -> Group:
    """A group to `add`, which sets the times. `name` has passed `rules`."""
    return Group(ids.new("group"), name, **fields)


async def add(tx: Tx, new: Group) -> Group:
    """Raises ExternalIdTaken."""
    now = clock.now()
    group = new._replace(created_at=now, updated_at=now)
    try:
        await tx.run(ADD, *group, *_keys(group.name).values())
    except Duplicate as refused:
        raise _taken(refused) from None
    return group


async def change(tx: Tx, group: Group, changed: Mapping[str, Any]) -> Group:
    """Set these columns of a group. Raises ExternalIdTaken."""
    after = group._replace(**changed, version=group.version + 1, updated_at=clock.now())
    columns = dict(changed) | (_keys(after.name) if "name" in changed else {})
    try:
        await tx.run(_update(tuple(columns)), *columns.values(), after.updated_at, group.id)
    except Duplicate as refused:
        raise _taken(refused) from None
    return after


def _keys(name: str) -> dict[str, str]:
    """The columns that a group is found by."""
    return {"name_key": rules.fold(name), "search_text": folding.searched_text(name, "")}


async def remove(tx: Tx, id: str) -> None:
    """Remove a group. Its members are left to a job: `forget`."""
    await tx.run(REMOVE, id)
    await tx.run(NOTE_REMOVED, id)


async def left_over(queries: Queries) -> str | None:
    """ID of a deleted group that has rows of members."""
    return await first(queries, LEFT_OVER)


async def forget(tx: Tx, id: str, limit: int) -> bool:
    """Remove up to `limit` members of a deleted group. Whether there may be more."""
    if await tx.run(FORGET, id, id, limit) == limit:
        return True
    await tx.run(FORGOTTEN, id)
    return False


# ---- members


async def members(queries: Queries, id: str, after: int, limit: int) -> list[Member]:
    """Members in the order in which the users were added, after this position in the list of users."""
    return [Member._make(row) for row in await queries.all(MEMBERS, id, after, limit)]


async def member(queries: Queries, id: str, user_id: str) -> Member:
    """Raises NotFound."""
    return Member._make(await existing(queries, MEMBER, id, user_id))


async def person_ids(queries: Queries, id: str, limit: int) -> list[str]:
    """IDs of the members who are persons, in the order in which they were added."""
    return [row[0] for row in await queries.all(PERSON_IDS, id, limit)]


async def of_user(queries: Queries, user_id: str) -> list[Membership]:
    """Groups of a user, by name."""
    return [Membership._make(row) for row in await queries.all(OF_USER, user_id)]


async def of_users(queries: Queries, user_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """The groups of these users by the user's ID, each a name and their role, in the order of the names."""
    memberships: dict[str, list[tuple[str, str]]] = {}
    for part in in_parts(user_ids, AT_ONCE):
        for user_id, name, role in await queries.all(OF_USERS, *part):
            memberships.setdefault(user_id, []).append((name, role))
    return memberships


async def candidates(queries: Queries, id: str, user_ids: Sequence[str]) -> dict[str, Candidate]:
    """The users among these who exist, by ID."""
    rows: list[Row] = []
    for part in in_parts(user_ids, AT_ONCE):
        rows += await queries.all(CANDIDATES, id, *part)
    return {row[0]: Candidate(*row[1:]) for row in rows}


async def in_many(queries: Queries, user_ids: Sequence[str], many: int) -> str | None:
    """The ID of one of these users who is in so many groups, or more."""
    for part in in_parts(user_ids, AT_ONCE):
        if (user_id := await first(queries, IN_MANY, *part, many)) is not None:
            return str(user_id)
    return None


async def join(tx: Tx, id: str, joining: Iterable[tuple[int, str, str]]) -> None:
    """Add users, of each the position in the list, the ID and the role."""
    now = clock.now()
    await tx.many(JOIN, [(id, *joined, now) for joined in joining])


async def set_roles(tx: Tx, id: str, roles: Iterable[tuple[int, str]]) -> None:
    """Set the roles of members, each by their position in the list."""
    await tx.many(SET_ROLE, [(role, id, seq) for seq, role in roles])


async def leave(tx: Tx, id: str, seqs: Iterable[int]) -> None:
    """Remove members, by their positions in the list."""
    await tx.many(LEAVE, [(id, seq) for seq in seqs])


async def counted(tx: Tx, id: str, change: int) -> Group:
    """Note that members have changed, and their number by so many. Raises NotFound."""
    return Group._make(await existing(tx, COUNTED, change, clock.now(), id))


@lru_cache(maxsize=16)
def _update(columns: tuple[str, ...]) -> str:
    sets = ", ".join(f"{column} = ?" for column in columns)
    return f"UPDATE groups SET {sets}, version = version + 1, updated_at = ? WHERE id = ?"


def _taken(refused: Duplicate) -> Exception:
    return ExternalIdTaken() if refused.constraint == "groups.external_id" else refused


SIZE = "SELECT members FROM groups WHERE id = ?"
MANY = 20_000
"""Members, beyond which a list in another order than as added is walked until it is full rather than sorted: sorting so
many takes 30 ms."""


async def size(queries: Queries, id: str) -> int:
    """Number of members; 0 if there is no such group."""
    return await first(queries, SIZE, id) or 0


async def having(queries: Queries, id: str, seq: str, walks_far: bool) -> tuple[str, list[str]]:
    """The condition, beginning with AND, that a user is a member, and its values. `seq` is the column of that number.
    Where members are few, it leads to them; otherwise it is for a list that is walked. `walks_far`: all members are
    read once rather than one for each row."""
    all_of_them = "(SELECT user_seq FROM group_members WHERE group_id = ?"
    if await size(queries, id) <= MANY:
        # The LIMIT, which cuts off none, tells PostgreSQL that they are few.
        return f" AND {seq} IN {all_of_them} LIMIT {MANY})", [id]
    if walks_far:  # the sign keeps SQLite from going through the members instead of the list
        return f" AND +{seq} IN {all_of_them})", [id]
    among = "SELECT 1 FROM group_members AS among WHERE among.group_id = ? AND among.user_seq"
    return f" AND EXISTS ({among} = {seq})", [id]


MAX = 1_000
"""Groups of a user."""
MAX_TEXT = 65_536
MAX_ROLE = 255
_REFUSED_IN_ROLE = re.compile(r"[\x00-\x1f\x7f]").search
_NAME = re.compile(r"((?:[^;:\\]|\\.)*)(?::((?:[^;\\]|\\.)*))?(?:;|\Z)", re.DOTALL).match
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_IN_NAMES, _IN_ROLES = (str.maketrans({sign: f"\\{sign}" for sign in special}) for special in (";:\\", ";\\"))


def read(text: str) -> dict[str, str]:
    """The role in each group, by its name. A backslash before `;`, `:` or a backslash makes it a part of the name.
    Raises ValueError, without what the text says."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"must have at most {MAX_TEXT:,} characters")
    roles: dict[str, str] = {}
    at = 0
    while at < len(text):
        item = _NAME(text, at)
        if item is None:
            raise ValueError("must not end with a backslash")
        at = item.end()
        name, role = (_ESCAPED.sub(r"\1", part or "").strip() for part in item.groups())
        if not name and not role:  # `;;`, or one at the end
            continue
        try:
            roles[rules.name(name)] = _role(role)
        except ValueError:
            raise ValueError(
                f"must be names of groups, such as Design;Support:lead. Entry {len(roles) + 1} is none"
            ) from None
        if len(roles) > MAX:
            raise ValueError(f"must be at most {MAX:,} groups")
    return roles


def _role(text: str) -> str:
    if len(text) > MAX_ROLE or _REFUSED_IN_ROLE(text) or rules.hidden(text):
        raise ValueError(text)
    return text


def write(groups: Iterable[tuple[str, str]]) -> str:
    """The text for these groups, each a name and a role, which `read` reads."""
    return ";".join(
        f"{name.translate(_IN_NAMES)}:{role.translate(_IN_ROLES)}" if role else name.translate(_IN_NAMES)
        for name, role in groups
    )
