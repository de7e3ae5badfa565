"""A conversation that lives at the backend, and goes on wherever it is asked to."""

from dataclasses import dataclass, field
from typing import Any

from tests.life.talking import Told
from tests.mapping.remembering import Remembering
from tests.serving import post


def remembering_backend(url: str) -> dict[str, Any]:
    """A backend that is sent what is new, and the conversation's id."""
    request = {"talk": "{{ session }}", "turns": "{{ new_turns }}"}
    return {
        "kind": "http",
        "url": f"{url}/say",
        "request": request,
        "response": {"text": "reply"},
        "session": {"make": "{{ uuid() }}"},
    }


def remembering() -> Remembering:
    """Its upstream, a script."""
    made = Remembering()
    made.takes_any = True
    return made


@dataclass
class Conversation:
    """What a caller has said and heard so far."""

    messages: list[dict[str, Any]] = field(default_factory=list)

    async def say(self, url: str, text: str) -> None:
        """Says something more to a gateway, which answers."""
        self.messages.append({"role": "user", "content": text})
        told = Told(*await post(url, {"model": "talk", "messages": self.messages}))
        assert told.status == 200, told
        self.messages.append({"role": "assistant", "content": told.text})
