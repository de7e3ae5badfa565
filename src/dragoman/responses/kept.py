"""Responses that are kept for their key: read again, gone on with, listed, forgotten."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dragoman.call import Key
from dragoman.errors import InvalidRequest, MemoryDown, ResponsesUnavailable, UnknownResponse
from dragoman.json import dumped, loaded
from dragoman.logs import log
from dragoman.responses.options import Keeping
from dragoman.responses.output import response_of
from dragoman.storage import Memory
from dragoman.wire.responses import MOST_ITEMS, item_kind

MOST_TURNS = 256
MOST_BYTES = 16 * 1024 * 1024
"""How much of a conversation is gone on with."""

_ID = re.compile(r"resp_[0-9a-f]{32}")
_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
}

Item = dict[str, Any]
Record = dict[str, Any]
"""A turn: the id of the `previous` one, the `input` items that it brought, and the `response`."""


class Kept:
    """What is kept in a memory. Each key finds its own only."""

    def __init__(self, memory: Callable[[], Memory], options: Callable[[], Keeping]) -> None:
        self._memory, self._options = memory, options

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        return self._options().keep > 0

    async def keep(self, key: Key, id: str, previous: str | None, items: list[Item], response: bytes) -> None:
        """Keeps a turn. What cannot be kept is told in the log, since its answer is there all the same."""
        record = b'{"previous":%b,"input":%b,"response":%b}' % (dumped(previous), dumped(items), response)
        options = self._options()
        if len(record) > options.largest:
            log.warning("response not kept", response=id, reason="it is too large", bytes=len(record))
            return
        try:
            await self._memory().put(_place(key, id), record, options.keep)
        except MemoryDown as error:
            log.warning("response not kept", response=id, reason=str(error))

    async def found(self, key: Key, id: str) -> Record:
        """A turn. Raises UnknownResponse, ResponsesUnavailable."""
        record = await self._got(key, id)
        if record is None:
            raise UnknownResponse()
        read: Record = loaded(record)
        return read

    async def drop(self, key: Key, id: str) -> None:
        """Forgets a turn. Raises UnknownResponse, ResponsesUnavailable."""
        await self.found(key, id)
        try:
            await self._memory().drop(_place(key, id))
        except MemoryDown as error:
            raise ResponsesUnavailable(detail=str(error)) from error

    async def conversation(self, key: Key, id: str) -> list[Item]:
        """All items of the conversation that ended with a response. Raises InvalidRequest, ResponsesUnavailable."""
        turns: list[list[Item]] = []
        size, items, at = 0, 0, id
        while at:
            record = await self._got(key, at)
            if record is None:
                raise _lost(first=not turns)
            turn: Record = loaded(record)
            turns.append([*turn["input"], *turn["response"]["output"]])
            size, items = size + len(record), items + len(turns[-1])
            if len(turns) > MOST_TURNS or size > MOST_BYTES or items > MOST_ITEMS:
                raise _too_long()
            at = turn["previous"] or ""
        return [item for turn in reversed(turns) for item in turn]

    async def followed(self, key: Key, items: list[Item], before: Iterable[Item]) -> list[Item]:
        """The items with what is kept in place of each reference. Raises InvalidRequest, ResponsesUnavailable."""
        references = [item["id"] for item in items if item_kind(item) == "item_reference"]
        if not references:
            return items
        known = {item["id"]: item for item in before if item.get("id")}
        for id in dict.fromkeys(map(response_of, references)):
            if record := await self._got(key, id):
                turn = loaded(record)
                listed = (*listed_items(id, turn["input"]), *turn["response"]["output"])
                known |= {item["id"]: item for item in listed}
        return [_meant(item, place, known) for place, item in enumerate(items)]

    async def _got(self, key: Key, id: str) -> bytes | None:
        if not (self.keeps and _ID.fullmatch(id)):
            return None
        try:
            return await self._memory().get(_place(key, id))
        except MemoryDown as error:
            raise ResponsesUnavailable(detail=str(error)) from error


def listed_items(id: str, items: list[Item]) -> Iterator[Item]:
    """A turn's input items as they are listed: each has an id, and a message's content is an array of parts."""
    digits = id.rpartition("_")[2]
    for place, item in enumerate(items):
        kind = item_kind(item) or ""
        given = item.get("id") or f"{_PREFIXES.get(kind, 'item')}_{digits}i{place:04x}"
        yield {"status": "completed", **item, "type": kind, "id": given, **_in_parts(item)}


def _in_parts(item: Item) -> Item:
    content = item.get("content")
    if not isinstance(content, str):
        return {}
    if item.get("role") == "assistant":
        return {"content": [{"type": "output_text", "text": content, "annotations": []}]}
    return {"content": [{"type": "input_text", "text": content}]}


def _place(key: Key, id: str) -> str:
    return f"response\n{key.id}\n{id}"


def _meant(item: Item, place: int, known: dict[str, Item]) -> Item:
    if item_kind(item) != "item_reference":
        return item
    if item["id"] in known:
        return known[item["id"]]
    raise InvalidRequest(
        f"No item is kept with the id in 'input[{place}].id'. Send the item itself.",
        param=f"input[{place}].id",
        code="item_not_found",
    )


def _lost(first: bool) -> InvalidRequest:
    which = "No response is kept with that id" if first else "An earlier response of this conversation is not kept"
    return InvalidRequest(
        f"{which}. Send the whole conversation as 'input' instead.",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def _too_long() -> InvalidRequest:
    return InvalidRequest(
        "The conversation has become too long to go on with. Send what matters of it as 'input' instead.",
        param="previous_response_id",
        code="conversation_too_long",
    )
