"""fastapi-users written as its documentation shows, with the list of users that every team adds. Run by uvicorn; filled
when run itself. BENCH_DATABASE is SQLAlchemy's address of the database.

https://fastapi-users.github.io/fastapi-users/latest/configuration/full-example/ (SQLAlchemy),
https://slowapi.readthedocs.io/ Other than there: `name` and `created_at` with an index, and SQLite in WAL mode, without
which its writers stand in each other's way. slowapi's middleware does not find the routes of an included router, so
only the list is limited: the other calls are spared that cost.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Query
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.password import PasswordHelper
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.middleware import SlowAPIMiddleware
from slowapi.util import get_remote_address
from sqlalchemy import DateTime, String, event, insert, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SECRET = "a-secret-of-the-benchmark-32-bytes-long"
ADMIN = "admin@example.com"

engine = create_async_engine(os.environ["BENCH_DATABASE"])
sessions = async_sessionmaker(engine, expire_on_commit=False)


def durable(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 10000"):
        connection.execute(f"PRAGMA {pragma}")


if engine.dialect.name == "sqlite":
    event.listen(engine.sync_engine, "connect", durable)


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    name: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now, index=True)


class UserRead(schemas.BaseUser[uuid.UUID]):
    name: str
    created_at: datetime


class UserCreate(schemas.BaseUserCreate):
    name: str


class UserUpdate(schemas.BaseUserUpdate):
    name: str | None = None


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


async def user_database(opened: AsyncSession = Depends(session)) -> AsyncIterator[Any]:
    yield SQLAlchemyUserDatabase(opened, User)


async def user_manager(database: Any = Depends(user_database)) -> AsyncIterator[UserManager]:
    yield UserManager(database)


def jwt_strategy() -> Any:
    return JWTStrategy(secret=SECRET, lifetime_seconds=3600)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


backend = AuthenticationBackend(
    name="jwt", transport=BearerTransport(tokenUrl="auth/jwt/login"), get_strategy=jwt_strategy
)
fastapi_users = FastAPIUsers[User, uuid.UUID](user_manager, [backend])

app = FastAPI(lifespan=lifespan)
app.state.limiter = Limiter(
    key_func=get_remote_address, default_limits=["1000000000/minute", "50000000000/hour"], headers_enabled=True
)
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
app.add_middleware(SlowAPIMiddleware)


@app.get(
    "/users",
    response_model=list[UserRead],
    dependencies=[Depends(fastapi_users.current_user(active=True, superuser=True))],
)
async def list_users(
    limit: int = Query(50, ge=1, le=1000), offset: int = Query(0, ge=0), opened: AsyncSession = Depends(session)
) -> Any:
    return (await opened.scalars(select(User).order_by(User.created_at).limit(limit).offset(offset))).all()


app.include_router(fastapi_users.get_auth_router(backend), prefix="/auth/jwt", tags=["auth"])
app.include_router(fastapi_users.get_register_router(UserRead, UserCreate), prefix="/auth", tags=["auth"])
app.include_router(fastapi_users.get_users_router(UserRead, UserUpdate), prefix="/users", tags=["users"])


async def fill(count: int, ids_file: Path) -> None:
    """`count` users and an administrator by bulk insert, all with one password's hash."""
    from people import PASSWORD, people

    choose, began = random.Random(2), datetime(2026, 1, 1, tzinfo=UTC)
    ids = [uuid.UUID(int=choose.getrandbits(128), version=4) for _ in range(count)]
    common = {"hashed_password": PasswordHelper().hash(PASSWORD), "is_active": True, "is_verified": True}
    rows: list[dict[str, Any]] = [
        {
            "id": id,
            "email": person.email,
            "name": person.name,
            "is_superuser": False,
            "created_at": began + timedelta(seconds=number),
            **common,
        }
        for number, (id, person) in enumerate(zip(ids, people(count), strict=True))
    ]
    rows.append(
        {"id": uuid.uuid4(), "email": ADMIN, "name": "Admin", "is_superuser": True, "created_at": now(), **common}
    )
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        for start in range(0, len(rows), 5000):
            await connection.execute(insert(User), rows[start : start + 5000])
    await engine.dispose()
    choose.shuffle(ids)
    ids_file.write_text("\n".join(map(str, ids)) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    asyncio.run(fill(int(sys.argv[1]), Path(sys.argv[2])))
