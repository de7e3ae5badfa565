"""Structured output for a backend that gives only text: it is told of the schema, its JSON mended and checked."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from dragoman.abilities import JSON
from dragoman.again import Bound, Unusable, failed, insisted
from dragoman.call import Call, Chunk, Handler, Middleware
from dragoman.calling.telling import instructed
from dragoman.documents import Document, documents, kind_of, meant, refuses, said
from dragoman.errors import EmulationFailed
from dragoman.json import dumped, loaded
from dragoman.schemas import Schema, compiled
from dragoman.templates import Text

NAMES = frozenset({"schema", "name", "description"})
PROMPT = """\
# Form of the answer

Answer with one JSON {% if schema %}value that follows this JSON schema{% else %}object{% endif %}, and with nothing \
else: no words before or after it, no code fence, no comments.
{%- if schema %}

{{ schema }}

{% if description %}It stands for: {{ description }}
{% endif -%}
Give the data itself, not the schema.
{%- endif %}
If you have to refuse, write REFUSAL: and why, instead of any JSON."""
ANY: dict[str, Any] = {"type": "object"}
PARAM = "response_format.json_schema.schema"

_STANDARD = Text(PROMPT, NAMES, "emulation.json.prompt")


def structured(options: JSON, limit: float, object_is_native: bool) -> Middleware:
    """Makes an answer that follows `response_format`, asking at most `options.attempts` times and `limit` seconds."""
    template = Text(options.prompt, NAMES, "emulation.json.prompt") if options.prompt else _STANDARD
    bound = Bound(options.attempts, limit)

    def around(next: Handler) -> Handler:
        def handle(call: Call) -> AsyncIterator[Chunk]:
            format: Any = call.request.response_format
            wanted = format.get("json_schema") or {}
            given = wanted.get("schema")
            schema = compiled(ANY if given is None else given, PARAM)
            shown = None if given is None else dumped(given).decode()
            told = template.filled(
                {"schema": shown, "name": wanted.get("name"), "description": wanted.get("description")}
            )
            plain = call.without("response_format").asking(messages=instructed(call.request.messages, told))
            if object_is_native:
                plain = plain.asking(response_format={"type": "json_object"})
            reader = _Reader(schema, kind_of(ANY if given is None else given))
            return insisted(next, plain, reader.read, bound)

        return handle

    return around


class _Reader:
    """Reads a call's answers, one for each time that the backend is asked."""

    def __init__(self, schema: Schema, kind: Any) -> None:
        self._schema, self._kind = schema, kind

    async def read(self, call: Call, chunks: AsyncIterator[Chunk], last: bool) -> AsyncIterator[Chunk]:
        """What the caller gets of an answer."""
        reading = (_Flowing if call.request.stream else _Whole)(self._schema, self._kind)
        about: dict[str, str] | None = None
        try:
            async for chunk in chunks:
                about = about or chunk.about
                for told in reading.told(chunk):
                    told.about, about = about, None
                    yield told
        except Unusable as wrong:
            if last:
                raise failed(wrong.reason) from wrong
            raise


class _Reading:
    """One answer."""

    def __init__(self, schema: Schema, kind: Any) -> None:
        self._schema, self._kind = schema, kind
        self._said: list[str] = []
        self._usage: dict[str, Any] | None = None
        self._called = False
        """Whether tools were called: then no document is needed."""

    def told(self, chunk: Chunk) -> Iterator[Chunk]:
        """What the caller gets of a piece. Raises Unusable or EmulationFailed."""
        text, chunk.text = chunk.text, ""
        finish, chunk.finish = chunk.finish, None
        self._usage = chunk.usage or self._usage
        self._called = self._called or bool(chunk.tool_calls) or bool(chunk.delta and chunk.delta.get("refusal"))
        if text:
            self._said.append(text)
            yield from self._read(text)
        if chunk.says:
            yield chunk
        if finish:
            yield from self._ended(finish)
            yield Chunk(finish=finish)

    def _read(self, text: str) -> Iterator[Chunk]:
        yield from ()

    def _ended(self, finish: str) -> Iterator[Chunk]:
        yield from ()

    @property
    def _whole(self) -> str:
        return "".join(self._said)

    def _none(self) -> Iterator[Chunk]:
        """An answer without any document: a refusal, or nothing that can be used."""
        told = said(self._whole).strip()
        if refuses(told):
            yield Chunk(delta={"refusal": told})
        elif not self._called:
            raise self._unusable("It has no JSON in it.")

    def _unusable(self, reason: str) -> Unusable:
        told = f"{reason} Answer again, with the JSON alone, complete and valid."
        return Unusable(reason, self._whole, told, self._usage)


class _Flowing(_Reading):
    """An answer that the caller gets as it comes."""

    def __init__(self, schema: Schema, kind: Any) -> None:
        super().__init__(schema, kind)
        self._document = Document(kind)
        self._written: list[str] = []

    def _read(self, text: str) -> Iterator[Chunk]:
        if told := self._document.feed(text):
            yield self._piece(told)

    def _piece(self, text: str) -> Chunk:
        if self._document.refusing:
            return Chunk(delta={"refusal": text})
        self._written.append(text)
        return Chunk(text=text)

    def _ended(self, finish: str) -> Iterator[Chunk]:
        if self._document.refusing or finish in ("length", "content_filter"):
            return
        if not self._document.found:
            yield from self._none()
            return
        if told := self._document.end():
            yield self._piece(told)
        problem = "It breaks off." if self._document.cut else self._schema.problem(_value("".join(self._written)))
        if problem:
            raise self._invalid(problem)

    def _invalid(self, problem: str) -> EmulationFailed | Unusable:
        wrong = self._unusable(problem)
        return failed(wrong.reason) if self._written else wrong


class _Whole(_Reading):
    """An answer that the caller gets once all of it is good."""

    def _ended(self, finish: str) -> Iterator[Chunk]:
        text = self._whole
        limited = finish in ("length", "content_filter")
        document = Document(self._kind)
        told = document.feed(text)
        if document.refusing:
            yield Chunk(delta={"refusal": told})
        elif limited:
            yield Chunk(text=told)
        elif document.found or not (refuses(said(text)) or self._called):
            yield Chunk(text=self._best(text))
        else:
            yield from self._none()

    def _best(self, text: str) -> str:
        """The document that is meant, if it is good or can be made so. Raises Unusable if not."""
        for good in (self._is_valid, self._can_be_fitted):
            written = meant(text, self._kind, good)
            if written is not None:
                value = _value(written)
                return written if self._is_valid(value) else dumped(self._schema.fitted(value)).decode()
        problems = ["It breaks off." if cut else self._told(written) for written, cut in documents(text, self._kind)]
        raise self._unusable(problems[0] if problems else "It has no JSON in it.")

    def _told(self, written: str) -> str:
        return f"It does not follow the schema: {self._schema.problem(_value(written))}."

    def _is_valid(self, value: Any) -> bool:
        return self._schema.problem(value) is None

    def _can_be_fitted(self, value: Any) -> bool:
        return self._is_valid(self._schema.fitted(value))


def _value(text: str) -> Any:
    return loaded(text.encode(errors="replace"))
