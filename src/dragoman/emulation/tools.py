"""Tool calls for a backend that gives only text: it is told of the tools, and its calls are read from what it says."""

import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

from dragoman.abilities import Tools
from dragoman.again import Bound, Unusable, failed, insisted
from dragoman.call import Call, Chunk, Handler, Middleware
from dragoman.calling.offer import Offer, offered
from dragoman.calling.reading import Argued, Broken, Called, Calls, Ended, Event, Said, Unknown
from dragoman.calling.telling import CLOSE, NAMES, OPEN, instructed, instructions, retold
from dragoman.json import dumped, loaded
from dragoman.templates import Text

ASKED = ("tools", "tool_choice", "parallel_tool_calls")
TAKES = {"function": "arguments", "custom": "input"}
"""What a tool of a kind takes."""
LIMITED = ("length", "content_filter")
"""Ends that an answer is not to blame for."""


def called(options: Tools, limit: float) -> Middleware:
    """Makes tool calls, asking at most `options.attempts` times and `limit` seconds."""
    template = Text(options.prompt, NAMES, "emulation.tools.prompt") if options.prompt else None
    bound = Bound(options.attempts, limit)

    def around(next: Handler) -> Handler:
        def handle(call: Call) -> AsyncIterator[Chunk]:
            offer = offered(call.request)
            messages = retold(call.request)
            if offer.tools:
                messages = instructed(messages, instructions(offer, template))
            plain = call.asking(messages=messages).without(*ASKED)
            return insisted(next, plain, _Reader(offer).read, bound) if offer.tools else next(plain)

        return handle

    return around


class _Reader:
    """Reads a call's answers, one for each time that the backend is asked."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._corrected = False
        """Whether it was told that there is no such tool."""

    async def read(self, call: Call, chunks: AsyncIterator[Chunk], last: bool) -> AsyncIterator[Chunk]:
        """What the caller gets of an answer: as it comes if it streams, else once all of it is good."""
        reading = _Reading(self._offer, bool(call.request.stream), last, last or self._corrected)
        kept: list[Chunk] = []
        about: dict[str, str] | None = None
        try:
            async for chunk in chunks:
                about = about or chunk.about
                for told in reading.told(chunk):
                    if not reading.flows:
                        kept.append(told)
                        continue
                    told.about, about = about, None
                    yield told
                if reading.over:
                    await call.open.aclose()
                    break
        except Unusable:
            self._corrected = self._corrected or reading.unknown
            raise
        for told in kept:
            told.about, about = about, None
            yield told


class _Reading:
    """One answer."""

    def __init__(self, offer: Offer, flows: bool, last: bool, resigned: bool) -> None:
        self.flows = flows
        """Whether the caller gets it as it comes."""
        self.over = False
        """Whether no more of it is wanted."""
        self.unknown = False
        """Whether it has called a tool that there is not."""
        self._offer, self._last, self._resigned = offer, last, resigned
        self._calls = Calls(offer.kinds_offered, offer.parameters())
        self._said: list[str] = []
        self._held: list[str] = []
        self._made = 0
        self._native = False
        self._usage: dict[str, Any] | None = None
        self._name = self._kind = ""
        self._arguments: list[str] = []

    def told(self, chunk: Chunk) -> Iterator[Chunk]:
        """What the caller gets of a piece. Raises Unusable or EmulationFailed."""
        events: list[Event] = []
        finish, chunk.finish = chunk.finish, None
        if text := chunk.text:
            self._said.append(text)
            events = self._calls.feed(text)
            chunk.text = ""
        self._native = self._native or bool(chunk.tool_calls)
        self._usage = chunk.usage or self._usage
        if chunk.says:
            yield chunk
        if finish:
            events = [*events, *self._calls.end()]
        for event in events:
            if isinstance(event, Argued):
                self._arguments.append(event.text)
                if self.flows:
                    yield self._delta(event.text)
                continue
            yield from self._meant(event, finish)
            if self.over:
                break
        self.over = self.over or self._calls.over
        if finish or self.over:
            yield from self._ending(finish or "stop")

    def _meant(self, event: Event, finish: str | None) -> Iterator[Chunk]:
        match event:
            case Said(text):
                yield from self._text(text)
            case Called(name):
                yield from self._begun(name)
            case Ended(cut, cut_in_text):
                yield from self._ended(cut and cut_in_text and finish != "length", finish == "length" and cut)
            case Unknown() | Broken() if finish in LIMITED:
                pass
            case Unknown(name, text):
                yield from self._called_unknown(name, text)
            case Broken(text):
                raise self._wrong("It called a tool, but not in a form that can be read.")

    def _text(self, text: str) -> Iterator[Chunk]:
        """What is said before the first call; a result cannot be known before it came, so nothing said later counts."""
        if self._made:
            return
        if self._offer.must:
            self._held.append(text)
        else:
            yield Chunk(text=text)

    def _begun(self, name: str) -> Iterator[Chunk]:
        if held := "".join(self._held).strip():
            yield Chunk(text=held)
        self._held.clear()
        self._name, self._kind, self._arguments = name, self._offer.kinds[name], []
        self._made += 1
        if self.flows:
            yield self._opening("")

    def _ended(self, half: bool, limited: bool) -> Iterator[Chunk]:
        """The end of a call; `half`: it breaks off in a value, `limited`: because of the limit on tokens."""
        if half:
            raise self._wrong(f"Its call of '{self._name}' breaks off.")
        arguments = "".join(self._arguments)
        if self._kind == "function" and not limited:
            arguments = self._checked(arguments)
        if not self.flows:
            yield self._opening(arguments)
        self.over = not self._offer.parallel

    def _checked(self, arguments: str) -> str:
        """The arguments as the tool's schema wants them. Raises Unusable or EmulationFailed where they cannot be."""
        schema = self._offer.schemas[self._name]
        value = loaded(arguments.encode(errors="replace"))
        if schema.problem(value) is None:
            return arguments
        fitted = value if self.flows else schema.fitted(value)
        problem = schema.problem(fitted)
        if problem and (self._offer.strict(self._name) or not (self.flows or self._last)):
            raise self._wrong(f"The arguments of '{self._name}' are not valid: {problem}.")
        return arguments if fitted == value else dumped(fitted).decode()

    def _called_unknown(self, name: str, text: str) -> Iterator[Chunk]:
        if self._made:
            return
        if not self._resigned:
            self.unknown = True
            raise self._wrong(f"There is no tool '{name[:64]}'. The tools are: {', '.join(self._offer.tools)}.")
        yield from self._text(text)

    def _ending(self, finish: str) -> Iterator[Chunk]:
        if self._offer.must and not (self._made or self._native or finish in LIMITED):
            raise self._wrong("It did not call a tool, though it had to.")
        yield Chunk(text="".join(self._held) if not self._made else "", finish=finish)

    def _opening(self, arguments: str) -> Chunk:
        """The first delta of a call."""
        inner = {"name": self._name, TAKES[self._kind]: arguments}
        opening: dict[str, Any] = {"index": self._made - 1, "id": f"call_{secrets.token_hex(12)}", "type": self._kind}
        return Chunk(tool_calls=[{**opening, self._kind: inner}])

    def _delta(self, text: str) -> Chunk:
        return Chunk(tool_calls=[{"index": self._made - 1, self._kind: {TAKES[self._kind]: text}}])

    def _wrong(self, reason: str) -> Exception:
        """What a reason leads to: another attempt, if nothing of a call has reached the caller."""
        if self._last or (self.flows and self._made):
            return failed(reason)
        form = f'Call tools in this form only:\n{OPEN}\n{{"name": "NAME", "arguments": {{…}}}}\n{CLOSE}'
        return Unusable(reason, "".join(self._said), f"{reason} {form}", self._usage)
