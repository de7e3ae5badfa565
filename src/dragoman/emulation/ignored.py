"""What a backend lacks, and its configuration says is to be left out."""

from typing import Any

from dragoman.abilities import PARAMETERS, PARTS, Ability
from dragoman.call import Handler, Middleware
from dragoman.wire.chat import PartType

MARKS: dict[PartType, str] = {
    "image_url": "[an image was left out]",
    "input_audio": "[a recording was left out]",
    "file": "[a file was left out]",
}
"""What stands in a message where a part was."""
ROLES: dict[Ability, tuple[str, ...]] = {"system": ("system", "developer"), "developer": ("developer",)}

Message = dict[str, Any]


def ignored(ability: Ability) -> Middleware:
    """Leaves out what asks for the ability: the request's fields, a message's parts, or whole messages."""
    part, fields, roles = PARTS.get(ability), PARAMETERS.get(ability, ()), ROLES.get(ability, ())

    def around(next: Handler) -> Handler:
        if part:
            return lambda call: next(
                call.asking(messages=[_without(message, part) for message in call.request.messages])
            )
        if roles:
            return lambda call: next(
                call.asking(messages=[message for message in call.request.messages if message["role"] not in roles])
            )
        return (lambda call: next(call.without(*fields))) if fields and ability != "stream" else next

    return around


def _without(message: Any, part: PartType) -> Message:
    content = message.get("content")
    if not isinstance(content, list):
        return message  # type: ignore[no-any-return]
    mark = {"type": "text", "text": MARKS[part]}
    return {**message, "content": [mark if each["type"] == part else each for each in content]}
