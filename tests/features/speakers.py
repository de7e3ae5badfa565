"""Official clients, one for each surface, that ask and hear in the same words."""

import json
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai

from tests.serving import TRUSTED

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL, TOLD = "get_weather", "How warm it is in a city."

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Ask:
    """What is asked."""

    text: str = "Hello"
    system: str | None = None
    earlier: tuple[tuple[str, str], ...] = ()
    """Role and text of what was said before."""
    tools: bool = False
    choice: str = "auto"
    """`auto`, `none`, `required` or `named`."""
    parallel: bool = True
    results: tuple[tuple[str, Call, str], ...] = ()
    """Calls by their id, and what they gave."""
    schema: bool = False
    object: bool = False
    stop: str | None = None
    limit: int | None = None
    n: int = 1
    image: str | None = None
    logprobs: bool = False
    think: bool = False


@dataclass
class Said:
    """What was heard."""

    texts: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    finish: str | None = None
    usage: tuple[int, int] | None = None
    thought: str = ""
    logprobs: list[str] = field(default_factory=list)
    emulated: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        [text] = self.texts
        return text


class Speaker:
    """Asks by one surface."""

    name = ""

    async def said(self, url: str, model: str, ask: Ask, stream: bool) -> Said:
        raise NotImplementedError


def _options(url: str, path: str = "/v1") -> dict[str, Any]:
    http = openai.DefaultAsyncHttpxClient(verify=TRUSTED)
    return {"base_url": f"{url}{path}", "api_key": "sk-test", "max_retries": 0, "http_client": http}


def _heard(raw: Any, said: Said) -> Said:
    said.emulated = frozenset(filter(None, raw.headers.get("x-dragoman-emulated", "").split(",")))
    return said


def _calls(pairs: Any) -> list[Call]:
    return [(name, json.loads(arguments)) for name, arguments in pairs]


class ByChat(Speaker):
    """Chat completions, by the official SDK."""

    name = "chat"

    async def said(self, url: str, model: str, ask: Ask, stream: bool) -> Said:
        async with openai.AsyncOpenAI(**_options(url)) as client:
            if not stream:
                raw = await client.chat.completions.with_raw_response.create(model=model, **self.asked(ask))
                return _heard(raw, self.whole(raw.parse()))
            usage = {"stream_options": {"include_usage": True}}
            asked = {**self.asked(ask), "stream": True, **usage}
            raw = await client.chat.completions.with_raw_response.create(model=model, **asked)
            state: Any = openai.lib.streaming.chat.ChatCompletionStreamState()
            async for chunk in raw.parse():
                state.handle_chunk(chunk)
            return _heard(raw, self.whole(state.current_completion_snapshot))

    def asked(self, ask: Ask) -> dict[str, Any]:
        messages: list[Any] = [{"role": "system", "content": ask.system}] if ask.system else []
        messages += [{"role": role, "content": text} for role, text in ask.earlier]
        image = [{"type": "image_url", "image_url": {"url": ask.image}}] if ask.image else []
        text = [{"type": "text", "text": ask.text}, *image] if image else ask.text
        messages.append({"role": "user", "content": text})
        if ask.results:
            called = [
                {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
                for id, (name, arguments), _ in ask.results
            ]
            messages.append({"role": "assistant", "tool_calls": called})
            messages += [{"role": "tool", "tool_call_id": id, "content": gave} for id, _, gave in ask.results]
        return {"messages": messages, **self.options(ask)}

    def options(self, ask: Ask) -> dict[str, Any]:
        function = {"name": TOOL, "description": TOLD, "parameters": CITY, "strict": True}
        named = {"type": "function", "function": {"name": TOOL}}
        schema = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}
        return {
            **({"tools": [{"type": "function", "function": function}]} if ask.tools else {}),
            **({"tool_choice": named if ask.choice == "named" else ask.choice} if ask.tools else {}),
            **({} if ask.parallel else {"parallel_tool_calls": False}),
            **({"response_format": schema} if ask.schema else {}),
            **({"response_format": {"type": "json_object"}} if ask.object else {}),
            **({"stop": [ask.stop]} if ask.stop else {}),
            **({"max_completion_tokens": ask.limit} if ask.limit else {}),
            **({"n": ask.n} if ask.n > 1 else {}),
            **({"logprobs": True, "top_logprobs": 1} if ask.logprobs else {}),
            **({"reasoning_effort": "low"} if ask.think else {}),
        }

    def whole(self, told: Any) -> Said:
        message = told.choices[0].message
        calls = message.tool_calls or []
        tokens = told.choices[0].logprobs.content if told.choices[0].logprobs else []
        return Said(
            [choice.message.content or "" for choice in told.choices],
            _calls((call.function.name, call.function.arguments) for call in calls),
            [call.id for call in calls],
            told.choices[0].finish_reason,
            told.usage and (told.usage.prompt_tokens, told.usage.completion_tokens),
            getattr(message, "reasoning_content", None) or "",
            [token.token for token in tokens],
        )


class ByCompletions(Speaker):
    """Completions, by the official SDK."""

    name = "completions"

    async def said(self, url: str, model: str, ask: Ask, stream: bool) -> Said:
        async with openai.AsyncOpenAI(**_options(url)) as client:
            create = client.completions.with_raw_response.create
            if not stream:
                raw = await create(model=model, **self.asked(ask))
                return _heard(raw, self.heard([raw.parse()]))
            raw = await create(model=model, **self.asked(ask), stream=True, stream_options={"include_usage": True})
            return _heard(raw, self.heard([event async for event in raw.parse()]))

    def asked(self, ask: Ask) -> dict[str, Any]:
        return {
            "prompt": ask.text,
            "max_tokens": ask.limit or 1000,
            "n": ask.n,
            **({"stop": ask.stop} if ask.stop else {}),
            **({"logprobs": 1} if ask.logprobs else {}),
        }

    def heard(self, events: list[Any]) -> Said:
        said = Said()
        texts: dict[int, str] = {}
        for event in events:
            for choice in event.choices:
                texts[choice.index] = texts.get(choice.index, "") + choice.text
                said.finish = choice.finish_reason or said.finish
                said.logprobs += (choice.logprobs.tokens or []) if choice.logprobs else []
            said.usage = (event.usage.prompt_tokens, event.usage.completion_tokens) if event.usage else said.usage
        said.texts = [texts[index] for index in sorted(texts)]
        return said


class ByResponses(Speaker):
    """Responses, by the official SDK."""

    name = "responses"

    async def said(self, url: str, model: str, ask: Ask, stream: bool) -> Said:
        async with openai.AsyncOpenAI(**_options(url)) as client:
            create = client.responses.with_raw_response.create
            if not stream:
                raw = await create(model=model, **self.asked(ask))
                return _heard(raw, self.whole(raw.parse()))
            raw = await create(model=model, **self.asked(ask), stream=True)
            *_, last = [event async for event in raw.parse()]
            assert last.type in ("response.completed", "response.incomplete")
            return _heard(raw, self.whole(last.response))

    def asked(self, ask: Ask) -> dict[str, Any]:
        items: list[Any] = [{"role": role, "content": text} for role, text in ask.earlier]
        image = [{"type": "input_image", "image_url": ask.image, "detail": "auto"}] if ask.image else []
        items.append({"role": "user", "content": [{"type": "input_text", "text": ask.text}, *image]})
        for id, (name, arguments), _ in ask.results:
            items.append({"type": "function_call", "call_id": id, "name": name, "arguments": json.dumps(arguments)})
        items += [{"type": "function_call_output", "call_id": id, "output": gave} for id, _, gave in ask.results]
        tool = {"type": "function", "name": TOOL, "description": TOLD, "parameters": CITY, "strict": True}
        schema = {"type": "json_schema", "name": "person", "schema": SCHEMA, "strict": True}
        choice = {"type": "function", "name": TOOL} if ask.choice == "named" else ask.choice
        return {
            "input": items,
            **({"instructions": ask.system} if ask.system else {}),
            **({"tools": [tool], "tool_choice": choice} if ask.tools else {}),
            **({} if ask.parallel else {"parallel_tool_calls": False}),
            **({"text": {"format": schema}} if ask.schema else {}),
            **({"text": {"format": {"type": "json_object"}}} if ask.object else {}),
            **({"max_output_tokens": ask.limit} if ask.limit else {}),
            **({"include": ["message.output_text.logprobs"], "top_logprobs": 1} if ask.logprobs else {}),
            **({"reasoning": {"effort": "low", "summary": "auto"}} if ask.think else {}),
        }

    def whole(self, told: Any) -> Said:
        items = {kind: [item for item in told.output if item.type == kind] for kind in {i.type for i in told.output}}
        parts = [part for item in items.get("message", ()) for part in item.content]
        thoughts = [each for item in items.get("reasoning", ()) for each in (*item.summary, *(item.content or ()))]
        calls = items.get("function_call", [])
        finish = {"completed": "tool_calls" if calls else "stop", "incomplete": "length"}[told.status]
        return Said(
            ["".join(part.text for part in parts)],
            _calls((call.name, call.arguments) for call in calls),
            [call.call_id for call in calls],
            finish,
            (told.usage.input_tokens, told.usage.output_tokens),
            "".join(dict.fromkeys(each.text for each in thoughts)),
            [token.token for part in parts for token in part.logprobs or ()],
        )


STOPS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


class ByMessages(Speaker):
    """Messages, by Anthropic's SDK."""

    name = "messages"

    async def said(self, url: str, model: str, ask: Ask, stream: bool) -> Said:
        options = {**_options(url, ""), "http_client": anthropic.DefaultAsyncHttpxClient(verify=TRUSTED)}
        async with anthropic.AsyncAnthropic(**options) as client:
            if not stream:
                raw = await client.messages.with_raw_response.create(model=model, **self.asked(ask))
                return _heard(raw, self.whole(await raw.parse()))
            async with client.messages.stream(model=model, **self.asked(ask)) as events:
                return _heard(events.response, self.whole(await events.get_final_message()))

    def asked(self, ask: Ask) -> dict[str, Any]:
        messages: list[Any] = [{"role": role, "content": text} for role, text in ask.earlier]
        head, _, data = (ask.image or "").partition(",")
        source = {"type": "base64", "media_type": head[5:].partition(";")[0], "data": data}
        image = [{"type": "image", "source": source}] if ask.image else []
        messages.append({"role": "user", "content": [*image, {"type": "text", "text": ask.text}]})
        if ask.results:
            used = [
                {"type": "tool_use", "id": id, "name": name, "input": arguments}
                for id, (name, arguments), _ in ask.results
            ]
            gave = [{"type": "tool_result", "tool_use_id": id, "content": gave} for id, _, gave in ask.results]
            messages += [{"role": "assistant", "content": used}, {"role": "user", "content": gave}]
        choice: dict[str, Any] = {"type": {"required": "any", "named": "tool"}.get(ask.choice, ask.choice)}
        choice |= {"name": TOOL} if ask.choice == "named" else {}
        choice |= {} if ask.parallel else {"disable_parallel_tool_use": True}
        tool = {"name": TOOL, "description": TOLD, "input_schema": CITY}
        config: dict[str, Any] = {"format": {"type": "json_schema", "schema": SCHEMA}} if ask.schema else {}
        config |= {"effort": "low"} if ask.think else {}
        return {
            "messages": messages,
            "max_tokens": ask.limit or 2000,
            **({"system": ask.system} if ask.system else {}),
            **({"tools": [tool], "tool_choice": choice} if ask.tools else {}),
            **({"output_config": config} if config else {}),
            **({"stop_sequences": [ask.stop]} if ask.stop else {}),
            **({"thinking": {"type": "enabled", "budget_tokens": 1024}} if ask.think else {}),
        }

    def whole(self, told: Any) -> Said:
        blocks = {kind: [b for b in told.content if b.type == kind] for kind in ("text", "tool_use", "thinking")}
        return Said(
            ["".join(block.text for block in blocks["text"])],
            [(block.name, block.input) for block in blocks["tool_use"]],
            [block.id for block in blocks["tool_use"]],
            STOPS[told.stop_reason],
            (told.usage.input_tokens, told.usage.output_tokens),
            "".join(block.thinking for block in blocks["thinking"]),
        )


class ByEmbeddings(Speaker):
    """Embeddings, by the official SDK; what is heard of them is not text."""

    name = "embeddings"

    async def vectors(self, url: str, model: str, given: Any, **options: Any) -> tuple[Any, frozenset[str]]:
        async with openai.AsyncOpenAI(**_options(url)) as client:
            raw = await client.embeddings.with_raw_response.create(model=model, input=given, **options)
            return raw.parse(), _heard(raw, Said()).emulated


SPEAKERS: tuple[Speaker, ...] = (ByChat(), ByCompletions(), ByResponses(), ByMessages(), ByEmbeddings())
