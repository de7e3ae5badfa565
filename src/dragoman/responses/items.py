"""The items of an answer, each growing piece by piece and telling how.

Each tells its steps by OpenAI's event types, in OpenAI's order (OpenAI API reference, streaming events of responses).
"""

from typing import Any, Protocol

from dragoman.json import dumped

Item = dict[str, Any]
Logprobs = list[dict[str, Any]]


class Tell(Protocol):
    """Hears what happens to an answer."""

    def __call__(self, kind: str, **about: Any) -> None:
        """An event of that type."""
        ...


class Growing:
    """An item that is being told."""

    @property
    def deltas(self) -> bytes | None:
        """How an event begins that tells another piece of its text, up to the number; None if none can come now."""
        return None

    def __init__(self, item: Item, index: int, tell: Tell) -> None:
        self.item, self.index = item, index
        self.pieces: list[str] = []
        self.tell = tell
        self.at = {"item_id": item["id"], "output_index": index}
        tell("response.output_item.added", output_index=index, item=item)

    def so_far(self) -> Item:
        """The item with all that was said of it."""
        return self.item

    def done(self, status: str) -> Item:
        """Tells that no more comes; gives the item as it is in the end."""
        self.tell("response.output_item.done", output_index=self.index, item=self.item)
        return self.item


class Thinking(Growing):
    """Thoughts, told as a summary: what clients show."""

    kind = "reasoning"

    def __init__(self, id: str, index: int, tell: Tell) -> None:
        super().__init__({"id": f"rs_{id}", "type": self.kind, "summary": [], "encrypted_content": None}, index, tell)
        self.at["summary_index"] = 0
        tell("response.reasoning_summary_part.added", **self.at, part={"type": "summary_text", "text": ""})

    def add(self, text: str) -> None:
        """Another piece."""
        self.pieces.append(text)
        self.tell("response.reasoning_summary_text.delta", **self.at, delta=text)

    def so_far(self) -> Item:
        return {**self.item, "summary": [{"type": "summary_text", "text": "".join(self.pieces)}]}

    def done(self, status: str) -> Item:
        self.item = self.so_far()
        (part,) = self.item["summary"]
        self.tell("response.reasoning_summary_text.done", **self.at, text=part["text"])
        self.tell("response.reasoning_summary_part.done", **self.at, part=part)
        return super().done(status)


class Saying(Growing):
    """A message: text, and perhaps that it is refused to say more."""

    kind = "message"

    def __init__(self, id: str, index: int, tell: Tell) -> None:
        empty = {"id": f"msg_{id}", "type": self.kind, "role": "assistant", "status": "in_progress", "content": []}
        super().__init__(empty, index, tell)
        self._parts: list[Item] = []
        self._part: Item | None = None
        self._deltas: bytes | None = None

    @property
    def deltas(self) -> bytes | None:
        if self._deltas is None and self._part and self._part["type"] == "output_text":
            head = dumped({"type": "response.output_text.delta", **self.at, "logprobs": []})[:-1]
            self._deltas = b"event: response.output_text.delta\ndata: " + head + b',"sequence_number":'
        return self._deltas

    def begin(self) -> Item:
        """The text that is being told, which may stay empty."""
        return self._opened({"type": "output_text", "text": "", "annotations": [], "logprobs": []})

    def add(self, text: str, logprobs: Logprobs) -> None:
        """Another piece of the text."""
        self.begin()["logprobs"].extend(map(_with_bytes, logprobs))
        self.pieces.append(text)
        self.tell("response.output_text.delta", **self.at, delta=text, logprobs=logprobs)

    def cite(self, sources: list[Any]) -> None:
        """Says what the text cites."""
        part = self.begin()
        for source in filter(None, map(_citation, sources)):
            place = {"annotation_index": len(part["annotations"]), "annotation": source}
            part["annotations"].append(source)
            self.tell("response.output_text.annotation.added", **self.at, **place)

    def refuse(self, text: str) -> None:
        """Another piece of the refusal."""
        self._opened({"type": "refusal", "refusal": ""})
        self.pieces.append(text)
        self.tell("response.refusal.delta", **self.at, delta=text)

    def _opened(self, empty: Item) -> Item:
        """The part that is being told, a new one if it is of another type."""
        if self._part and self._part["type"] == empty["type"]:
            return self._part
        self._close()
        self._part = empty
        self.at["content_index"] = len(self._parts)
        self.tell("response.content_part.added", **self.at, part=empty)
        return empty

    def _whole(self, part: Item) -> Item:
        return {**part, "text" if part["type"] == "output_text" else "refusal": "".join(self.pieces)}

    def _close(self) -> None:
        if self._part is None:
            return
        part, self._part, self._deltas = self._whole(self._part), None, None
        self.pieces.clear()
        self._parts.append(part)
        if part["type"] == "output_text":
            self.tell("response.output_text.done", **self.at, text=part["text"], logprobs=part["logprobs"])
        else:
            self.tell("response.refusal.done", **self.at, refusal=part["refusal"])
        self.tell("response.content_part.done", **self.at, part=part)

    def so_far(self) -> Item:
        parts = [*self._parts, *([self._whole(self._part)] if self._part else [])]
        return {**self.item, "status": "incomplete", "content": parts}

    def done(self, status: str) -> Item:
        self._close()
        self.item = {**self.item, "status": status, "content": self._parts}
        return super().done(status)


class Calling(Growing):
    """A call of a tool."""

    def __init__(self, id: str, index: int, tell: Tell, call: Item, name: dict[str, str]) -> None:
        self._custom = call["type"] == "custom"
        self._field = "input" if self._custom else "arguments"
        kind, prefix = ("custom_tool_call", "ctc_") if self._custom else ("function_call", "fc_")
        self._event = "response.custom_tool_call_input" if self._custom else "response.function_call_arguments"
        empty = {"id": f"{prefix}{id}", "type": kind, "status": "in_progress", "call_id": call["id"]}
        super().__init__({**empty, **name, self._field: ""}, index, tell)

    def add(self, text: str) -> None:
        """Another piece of what it is called with."""
        self.pieces.append(text)
        self.tell(f"{self._event}.delta", **self.at, delta=text)

    def so_far(self) -> Item:
        return {**self.item, "status": "incomplete", self._field: "".join(self.pieces)}

    def done(self, status: str) -> Item:
        self.item = {**self.so_far(), "status": status}
        named = {} if self._custom else {"name": self.item["name"]}
        self.tell(f"{self._event}.done", **self.at, **named, **{self._field: self.item[self._field]})
        return super().done(status)


def _citation(source: Any) -> Item | None:
    """A source as this API tells it; None for what is no address."""
    cited = source.get("url_citation") if isinstance(source, dict) else None
    if not isinstance(cited, dict) or not isinstance(cited.get("url"), str):
        return None
    title, places = cited.get("title"), {key: cited.get(key) for key in ("start_index", "end_index")}
    told = {key: place if isinstance(place, int) else 0 for key, place in places.items()}
    return {"type": "url_citation", "url": cited["url"], "title": title if isinstance(title, str) else "", **told}


def _with_bytes(logprob: dict[str, Any]) -> dict[str, Any]:
    """A log probability with the bytes that this API always has."""
    top = [{**each, "bytes": _bytes(each)} for each in logprob.get("top_logprobs") or ()]
    return {**logprob, "bytes": _bytes(logprob), "top_logprobs": top}


def _bytes(logprob: dict[str, Any]) -> list[int]:
    given = logprob.get("bytes")
    return given if isinstance(given, list) else list(str(logprob.get("token")).encode(errors="replace"))
