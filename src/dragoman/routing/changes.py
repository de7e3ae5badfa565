"""What a model changes about a call before a backend sees it."""

from typing import Any

from dragoman.call import Call, Handler
from dragoman.names import starred
from dragoman.routing.options import Prompt, Route


def changed(handler: Handler, route: Route) -> Handler:
    """Sets parameters and adds messages, as a route says."""
    forced = {name: value for name, value in route.parameters.items() if value is not None}
    dropped = [name for name, value in route.parameters.items() if value is None]
    defaults, prompt = route.defaults, route.prompt
    if not (route.parameters or defaults or prompt.before or prompt.after):
        return handler

    def change(call: Call) -> Call:
        request = call.request
        unsaid = {name: defaults[name] for name in defaults if getattr(request, name, None) is None}
        told = {"messages": _added(list(request.messages), prompt)} if prompt.before or prompt.after else {}
        if gone := [name for name in dropped if getattr(request, name, None) is not None]:
            call = call.without(*gone)
        return call.asking(**unsaid, **forced, **told)

    return lambda call: handler(change(call))


def _added(messages: list[Any], prompt: Prompt) -> list[Any]:
    before = [{"role": "system", "content": prompt.before}] if prompt.before else []
    after = [{"role": "system", "content": prompt.after}] if prompt.after else []
    return [*before, *messages, *after]


def renamed(handler: Handler, name: str | None, pattern: str) -> Handler:
    """Asks for another name of the model; a `*` in it is what the pattern's `*` stands for."""
    if name is None:
        return handler
    if "*" not in name:
        return lambda call: handler(call.asking(model=name))
    return lambda call: handler(call.asking(model=name.replace("*", starred(call.request.model, pattern))))
