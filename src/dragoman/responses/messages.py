"""Items into messages: who said what, calls with what they gave, thoughts where they are still of use."""

from typing import Any, ClassVar

from dragoman.responses.parts import content, refusals, texts
from dragoman.responses.tools import Offered
from dragoman.wire.responses import item_kind

Item = dict[str, Any]
Message = dict[str, Any]


class Messages:
    """Messages that grow item by item, and where in the request each comes from."""

    def __init__(self, offered: Offered) -> None:
        self.said: list[Message] = []
        self.places: list[str] = []
        self._offered = offered
        self._thoughts: list[str] = []
        self._pictures: list[Item] = []
        self._turn = 0
        """Where what was said since the user spoke begins."""

    def tell(self, role: str, text: str, place: str) -> None:
        """Adds a message that is a text."""
        self._say({"role": role, "content": text}, place)

    def add(self, item: Item, place: str) -> None:
        """Adds an item; what we know nothing of is left out. Raises InvalidRequest."""
        taken = self._TAKE.get(item_kind(item) or "")
        if taken:
            taken(self, item, place)

    def end(self) -> None:
        """Adds what is still held. Thoughts of turns that are over are forgotten, as OpenAI does."""
        self._show()
        for message in self.said[: self._turn]:
            message.pop("reasoning_content", None)

    def _say(self, message: Message, place: str) -> None:
        if message["role"] != "tool":
            self._show()
        if message["role"] == "user":
            self._turn = len(self.said)
        self.said.append(message)
        self.places.append(place)

    def _message(self, item: Item, place: str) -> None:
        if item["role"] == "assistant":
            self._answered(item["content"], place)
        else:
            self._say({"role": item["role"], "content": content(item["content"], f"{place}.content")}, place)

    def _answered(self, given: str | list[Item], place: str) -> None:
        text = given if isinstance(given, str) else texts(given)
        last = self._calling()
        if last is not None:  # calls are followed by what they gave, and by nothing else
            last["content"] = (last["content"] or "") + text or None
            self._recall(last)
            return
        refused = "" if isinstance(given, str) else refusals(given)
        self._say({**self._assistant(text), **({"refusal": refused} if refused else {})}, place)

    def _assistant(self, text: str | None) -> Message:
        message: Message = {"role": "assistant", "content": text}
        self._recall(message)
        return message

    def _recall(self, message: Message) -> None:
        """Gives a message the thoughts that led to it."""
        if self._thoughts:
            before = [message["reasoning_content"]] if "reasoning_content" in message else []
            message["reasoning_content"] = "\n\n".join(before + self._thoughts)
            self._thoughts.clear()

    def _calling(self) -> Message | None:
        """The last message, if it calls."""
        return self.said[-1] if self.said and self.said[-1].get("tool_calls") else None

    def _called(self, item: Item, place: str) -> None:
        name = self._offered.called(item)
        if item["type"] == "custom_tool_call":
            call = {"id": item["call_id"], "type": "custom", "custom": {"name": name, "input": item["input"]}}
        else:
            function = {"name": name, "arguments": item["arguments"]}
            call = {"id": item["call_id"], "type": "function", "function": function}
        if not (self.said and self.said[-1]["role"] == "assistant"):
            self._say(self._assistant(None), place)
        message = self.said[-1]
        self._recall(message)
        message["content"] = message["content"] or None
        message.setdefault("tool_calls", []).append(call)

    def _gave(self, item: Item, place: str) -> None:
        given = content(item["output"], f"{place}.output")
        if not isinstance(given, str):
            self._pictures += [part for part in given if part["type"] != "text"]
            given = "\n".join(part["text"] for part in given if part["type"] == "text")
        self._say({"role": "tool", "tool_call_id": item["call_id"], "content": given}, place)

    def _show(self) -> None:
        """Shows what tools gave beside text, which only users can."""
        if self._pictures:
            pictures, self._pictures = self._pictures, []
            told = {"type": "text", "text": "This is what the tools gave beside text:"}
            self.said.append({"role": "user", "content": [told, *pictures]})
            self.places.append(self.places[-1])

    def _thought(self, item: Item, place: str) -> None:
        text = texts(item.get("content")) or "\n\n".join(texts([part]) for part in item.get("summary") or ())
        if text:
            self._thoughts.append(text)

    _TAKE: ClassVar = {
        "message": _message,
        "function_call": _called,
        "custom_tool_call": _called,
        "function_call_output": _gave,
        "custom_tool_call_output": _gave,
        "reasoning": _thought,
    }
