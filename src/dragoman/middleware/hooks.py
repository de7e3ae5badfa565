"""A user's own code on a call's road: before it, after it, or all around it."""

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from pydantic import AfterValidator, ImportString

from dragoman.call import Call, Chunk, Handler, Middleware


def before(hook: Callable[[Call], Any]) -> Middleware:
    """Runs `hook(call)`, sync or async, before the call goes on.

    It returns the call to go on with (`call.asking(…)`), or None for the one it was given; raising `Refused` ends it.
    """

    def around(next: Handler) -> Handler:
        async def handle(call: Call) -> AsyncIterator[Chunk]:
            changed = hook(call)
            if inspect.isawaitable(changed):
                changed = await changed
            async for chunk in next(call if changed is None else changed):
                yield chunk

        return handle

    return around


def after(hook: Callable[..., Any]) -> Middleware:
    """Runs `hook(call, chunk)`, sync or async, for each chunk, or `hook(call, chunks)` once for them all.

    The first returns the chunk to pass on, or None for the one it was given; the second is an async generator.
    """
    names = list(inspect.signature(hook).parameters)
    return _after_all(hook) if names[-1] == "chunks" else _after_each(hook)


def _after_all(hook: Callable[[Call, AsyncIterator[Chunk]], AsyncIterator[Chunk]]) -> Middleware:
    def around(next: Handler) -> Handler:
        return lambda call: hook(call, next(call))

    return around


def _after_each(hook: Callable[[Call, Chunk], Any]) -> Middleware:
    def around(next: Handler) -> Handler:
        async def handle(call: Call) -> AsyncIterator[Chunk]:
            async for chunk in next(call):
                changed = hook(call, chunk)
                if inspect.isawaitable(changed):
                    changed = await changed
                yield chunk if changed is None else changed

        return handle

    return around


def hooked(hook: Any) -> Middleware:
    """The middleware that a configured hook stands for.

    A class is made once, without arguments; what has `before` or `after` methods is run before and after each call, and
    anything else that can be called is a middleware itself.
    """
    made: Any = hook() if inspect.isclass(hook) else hook
    run_before, run_after = getattr(made, "before", None), getattr(made, "after", None)
    if not run_before and not run_after:
        return made  # type: ignore[no-any-return]

    def around(next: Handler) -> Handler:
        inner = after(run_after)(next) if run_after else next
        return before(run_before)(inner) if run_before else inner

    return around


def _checked(hook: Any) -> Any:
    if not callable(hook) and not hasattr(hook, "before") and not hasattr(hook, "after"):
        raise ValueError("is neither a middleware nor has it a `before` or `after`")
    return hook


Hook = Annotated[ImportString[Any], AfterValidator(_checked)]
"""`module:name` of a hook."""
