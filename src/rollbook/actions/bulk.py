"""Many changes of users in one call. Each is planned by the action that does it alone, so that its rules hold; one
transaction does all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import UNSET

from rollbook.actions import tokens, users
from rollbook.actions.arguments.tokens import TokenCreate
from rollbook.actions.arguments.users import UserCreate, UserUpdate
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal, as_of_now
from rollbook.actions.tokens import IssuedToken
from rollbook.errors import ApiError, BulkRefused, Fault, InsufficientScope, ProofRequired
from rollbook.records import users as user_records
from rollbook.records.users import User
from rollbook.storage.database import Tx, attempted

MAX_OPERATIONS = 1_000
MAX_PASSWORDS = 200
"""New passwords in one call. Each takes 20 ms of a core to hash, so that this many are as much as a caller can be kept
waiting for."""

Verb = Literal["create", "update", "delete", "restore", "suspend", "activate", "create_token"]
Count = Callable[[int], Awaitable[None]]


class Operation(NamedTuple):
    """One operation: its verb, the user it is about, and its arguments."""

    op: str
    id: str = ""
    fields: UserCreate | UserUpdate | TokenCreate | None = None
    versions: frozenset[int] | None = None
    purge: bool = False
    refused: ApiError | None = None
    """The fault of its arguments."""


class OperationResult(NamedTuple):
    """The user after the operation, None after they were deleted; the token that was created; or why it was not
    done."""

    op: str
    user: User | None = None
    error: ApiError | None = None
    token: IssuedToken | None = None


class Plan(NamedTuple):
    """The write of an action that has done all that comes before it."""

    fn: Callable[..., Awaitable[User | IssuedToken | bool | None]]
    args: tuple[Any, ...]


async def bulk_users(
    on: Rollbook, by: Principal, operations: Sequence[Operation], atomic: bool = False, count: Count | None = None
) -> list[OperationResult]:
    """Change many users

    Runs up to 1,000 operations that create, update, delete, restore, suspend or activate users, or create one-time
    tokens for them, in the order you send them and in one transaction. Each operation follows the rules of its own
    endpoint; `update` is `PATCH`. Returns a result for each operation: one that fails doesn't affect the others. With
    `atomic`, either all operations are done or none. Up to 200 operations can have a password. Each operation counts as
    one request. Send an `Idempotency-Key` to make retries safe.
    """
    require(by, "users:write")
    if sum(isinstance(op.fields, UserCreate) and op.fields.password is not UNSET for op in operations) > MAX_PASSWORDS:
        refuse(
            "operations",
            f"must have at most {MAX_PASSWORDS} passwords. Import users with many, or send them links",
        )
    if count is not None:
        await count(len(operations))
    planning = on.writing(planned)
    plans = [await plan(planning, by, operation) for operation in operations]
    if atomic:
        _all_or_none(plans)
    # Hashing takes seconds, in which the key may have ended, or its user got another role.
    now = await on.read(as_of_now, by)
    if (now.role, now.scopes_on_all) != (by.role, by.caller.scopes_on_all):
        raise InsufficientScope("Your role was changed meanwhile. Nothing was changed.")
    return await on.write(_do, by, operations, plans, atomic)


async def planned(fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """Instead of `Database.write`."""
    return Plan(fn, args)


async def plan(planning: Rollbook, by: Principal, operation: Operation) -> Plan | ApiError:
    """The write of an operation, or why there is none; `planning` writes by `planned`. Raises what is wrong with the
    server, not with the operation: then it would fail the others as well."""
    if operation.refused is not None:
        return operation.refused
    try:
        result: Any = await _ACTIONS[operation.op](planning, by, operation)
    except ApiError as error:
        return _of_operation(error)
    assert isinstance(result, Plan)  # an action writes as its last step
    return result


_ACTIONS: dict[str, Callable[[Rollbook, Principal, Any], Awaitable[Any]]] = {
    "create": lambda on, by, operation: users.create(on, by, operation.fields),
    "update": lambda on, by, operation: users.update(on, by, operation.id, operation.fields, operation.versions),
    "delete": lambda on, by, operation: users.delete(on, by, operation.id, operation.purge, operation.versions),
    "restore": lambda on, by, operation: users.restore(on, by, operation.id),
    "suspend": lambda on, by, operation: users.suspend(on, by, operation.id),
    "activate": lambda on, by, operation: users.activate(on, by, operation.id),
    "create_token": lambda on, by, operation: tokens.create_token(on, by, operation.id, operation.fields),
}


async def _do(
    tx: Tx, by: Principal, operations: Sequence[Operation], plans: Sequence[Plan | ApiError], atomic: bool
) -> list[OperationResult]:
    await user_records.expect(tx, sum(operation.op == "create" for operation in operations))
    # The caller's own user, too: to create something for others locks it.
    ids = [operation.id for operation in operations if operation.id]
    await user_records.lock_owner_and_users(tx, [*ids, by.user_id])
    done = [plan if isinstance(plan, ApiError) else await attempt(tx, plan) for plan in plans]
    if atomic:
        _all_or_none(done)
    return [_result(operation.op, result) for operation, result in zip(operations, done, strict=True)]


def _result(op: str, result: User | IssuedToken | None | ApiError) -> OperationResult:
    if isinstance(result, ApiError):
        return OperationResult(op, error=result)
    if isinstance(result, IssuedToken):
        return OperationResult(op, token=result)
    return OperationResult(op, result)


async def attempt(tx: Tx, plan: Plan) -> User | IssuedToken | None | ApiError:
    """Do what was planned, all of it or nothing."""
    return checked(await attempted(tx.attempt, plan))


def checked(outcome: Any) -> Any:
    """An outcome that is of one operation. Raises an error that would fail the others as well."""
    return _of_operation(outcome) if isinstance(outcome, ApiError) else outcome


def _of_operation(error: ApiError) -> ApiError:
    if error.status >= 500 or isinstance(error, ProofRequired):
        raise error
    return error


def _all_or_none(outcomes: Sequence[object]) -> None:
    """Raises BulkRefused."""
    faults = [
        Fault(f"operations[{at}]{path}", message)
        for at, error in enumerate(outcomes)
        if isinstance(error, ApiError)
        for path, message in _faults(error)
    ]
    if faults:
        raise BulkRefused(
            f"Nothing was changed. {faults[0].param}: {faults[0].message}", param=faults[0].param, faults=faults
        )


def _faults(error: ApiError) -> list[tuple[str, str]]:
    """Faults of an operation: the path in it, and a message."""
    if error.faults:
        return [(f".{fault.param}", fault.message) for fault in error.faults]
    return [(f".{error.param}" if error.param else "", error.message)]
