"""What the server sends, as objects with attributes. Nothing is validated: a later version of the server may send
more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

SECRET = "…"
"""What `repr` writes instead of a secret."""


class Model:
    """An object of the API. Fields are attributes; `to_dict()` is all that the server sent, fields this version does
    not know included.

    A known field that the server did not send is None if it is optional. Objects cannot be changed and compare by
    content.
    """

    __slots__ = ("_data", "_etag")
    _data: Mapping[str, Any]
    _etag: str | None
    """Its version, from the head of the response."""
    _has_version: ClassVar[bool] = False
    _kinds: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    """How the values of fields are read, where JSON has no type for them."""
    _optional: ClassVar[frozenset[str]] = frozenset()
    _secret: ClassVar[frozenset[str]] = frozenset()
    _known: ClassVar[tuple[str, ...]] = ()

    def __init__(self, data: Mapping[str, Any], etag: str | None = None) -> None:
        object.__setattr__(self, "_data", data)
        object.__setattr__(self, "_etag", etag)

    def to_dict(self) -> dict[str, Any]:
        """A copy of the JSON object: times are strings, as they were sent."""
        return dict(self._data)

    def __getitem__(self, name: str) -> Any:
        """The JSON value of a field, known or not. Raises KeyError if the server did not send it."""
        return self._data[name]

    def __contains__(self, name: object) -> bool:
        """Whether the server sent the field."""
        return name in self._data

    if not TYPE_CHECKING:  # a type checker shall find misspelled fields

        def __getattr__(self, name: str) -> Any:
            try:
                value = self._data[name]
            except KeyError:
                if name == "etag" and self._has_version:
                    return self._etag
                if name in self._optional:
                    return None
                raise AttributeError(f"the server sent no {name!r} with this {type(self).__name__}") from None
            kind = self._kinds.get(name)
            return value if kind is None or value is None else kind(value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed; call update() of its resource")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._data == self._data

    __hash__ = None  # pyrefly: ignore

    def __repr__(self) -> str:
        fields = (f"{name}={SECRET if name in self._secret else repr(value)}" for name, value in self._data.items())
        return f"{type(self).__name__}({', '.join(fields)})"

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._known, *self._data]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._data, self._etag)


def time(value: Any) -> Any:
    """RFC 3339 as a datetime in UTC. What is none stays as it is."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value


def one(kind: type[Model]) -> Callable[[Any], Any]:
    """An object of that type. What is no object stays as it is."""
    return lambda value: kind(value) if isinstance(value, dict) else value


def each(kind: type[Model]) -> Callable[[Any], Any]:
    """A list of such objects."""
    read = one(kind)
    return lambda values: [read(value) for value in values] if isinstance(values, list) else values
