"""Names the keyword that was meant. Python itself does from 3.13 on, but only for one that is misspelled."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from inspect import iscoroutinefunction, isfunction, signature
from typing import Any

_WRONG = re.compile(r"unexpected keyword argument '(\w+)'$").search


def explain_keywords(resource: type) -> None:
    """Let the methods of a class say "Did you mean 'user'?" when they are called with `user_id`."""
    for name, method in list(vars(resource).items()):
        if isfunction(method) and not name.startswith("_"):
            setattr(resource, name, _explained(method))


def _explained(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            return method(*arguments, **keywords)
        except TypeError as problem:
            _explain(problem, method)
            raise

    @wraps(method)
    async def call_async(*arguments: Any, **keywords: Any) -> Any:
        try:
            return await method(*arguments, **keywords)
        except TypeError as problem:
            _explain(problem, method)
            raise

    return call_async if iscoroutinefunction(method) else call


def _explain(problem: TypeError, method: Callable[..., Any]) -> None:
    is_of_call = problem.__traceback__ is None or problem.__traceback__.tb_next is None
    wrong = _WRONG(str(problem))
    if is_of_call and wrong and (near := get_close_matches(wrong[1], signature(method).parameters, 1)):
        problem.args = (f"{problem}. Did you mean '{near[0]}'?",)
