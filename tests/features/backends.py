"""Two chat APIs: one that can do all that OpenAI can, and one that gives text for text."""

import json
from collections.abc import Iterator
from typing import Any

from tests.clients.model import WEATHER, answering, pieces
from tests.upstream import LAST_CHUNK, Connection, Received, chunked, json_answer, sse, stream_head

HELLO = "Hello! How can I help you?"
THOUGHT = "I am being greeted."
ADA = {"name": "Ada", "age": 36}
IMAGE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)


def configured(able: str, plain: str) -> dict[str, Any]:
    """A model for each: `native`, `emulated`, and `thinking`, which thinks in its text."""
    text = {
        "kind": "http",
        "url": f"{plain}/chatting",
        "request": {"prompt": "{{ prompt }}", "manner": "plain"},
        "response": {"text": "reply"},
        "stream": {"framing": "sse", "text": "reply", "request": {"stream": True}},
    }
    thinking = {**text, "url": f"{plain}/thinking", "reasoning": "think-tags"}
    embedding = {**text, "embeddings": _embeddings(plain)}
    backends = {
        "able": {"kind": "openai", "url": f"{able}/v1"},
        "plain": embedding,
        "thinking": thinking,
    }
    return {"backends": backends, "models": {"native": "able", "emulated": "plain", "thinking": "thinking"}}


def _embeddings(url: str) -> dict[str, Any]:
    return {"url": f"{url}/embed", "request": {"text": "{{ text }}"}, "batch": 1, "response": {"vector": "point"}}


async def plain(connection: Connection, received: Received) -> None:
    """Knows a prompt and text; and points for single texts."""
    if "/embed" in received.head:
        await connection.send(json_answer({"point": point(received.json["text"])}))
    elif "/thinking" in received.head:
        said = f"<think>{THOUGHT}</think>{HELLO}"
        if received.json.get("stream"):
            events = [*sse(*({"reply": piece} for piece in pieces(said))), *sse("[DONE]")]
            await connection.send(stream_head(), *map(chunked, events), LAST_CHUNK)
        else:
            await connection.send(json_answer({"reply": said}))
    else:
        await answering(connection, received)


def point(text: str, size: int = 4) -> list[float]:
    """Numbers that stand for a text."""
    return [round((len(text) % (place + 2)) + 0.5, 3) for place in range(size)]


async def able(connection: Connection, received: Received) -> None:
    """Speaks OpenAI's chat completions and embeddings."""
    asked = received.json
    if "/embeddings" in received.head:
        await connection.send(json_answer(_embedded(asked)))
        return
    choices = [{"index": index, **_choice(asked)} for index in range(asked.get("n") or 1)]
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    base = {"id": "theirs", "created": 1, "model": asked["model"]}
    if not asked.get("stream"):
        whole = {**base, "object": "chat.completion", "choices": choices, "usage": usage}
        await connection.send(json_answer(whole))
        return
    chunks = [{**base, "object": "chat.completion.chunk", "choices": [part]} for part in _parts(choices)]
    if (asked.get("stream_options") or {}).get("include_usage"):
        chunks.append({**base, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    await connection.send(stream_head(), *map(chunked, sse(*chunks, "[DONE]")), LAST_CHUNK)


def _embedded(asked: Any) -> dict[str, Any]:
    inputs = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    texts = inputs if isinstance(inputs[0], str | list) else [inputs]
    size = asked.get("dimensions") or 4
    data = [{"object": "embedding", "index": at, "embedding": point(str(text), size)} for at, text in enumerate(texts)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return {"object": "list", "data": data, "model": asked["model"], "usage": usage}


def _choice(asked: Any) -> dict[str, Any]:
    """One answer to what is asked."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if calls := list(_calls(asked)):
        return {"message": {**message, "tool_calls": calls}, "finish_reason": "tool_calls"}
    text, finish = _cut(_text(asked), asked)
    message["content"] = text
    if asked.get("reasoning_effort"):
        message["reasoning_content"] = THOUGHT
    logprobs = {"content": [_logprob("Hello"), _logprob("!")], "refusal": None} if asked.get("logprobs") else None
    return {"message": message, "finish_reason": finish, "logprobs": logprobs}


def _text(asked: Any) -> str:
    messages = asked["messages"]
    if messages[-1]["role"] == "tool":
        told = [json.loads(message["content"]) for message in messages if message["role"] == "tool"]
        return f"It is {' and '.join(map(_told, told))}."
    if asked.get("response_format"):
        return json.dumps(ADA)
    if "image_url" in json.dumps(messages):
        return "I see an image."
    system = [message["content"] for message in messages if message["role"] in ("system", "developer")]
    return "Ahoy!" if "pirate" in str(system) else HELLO


def _told(weather: Any) -> str:
    return f"{weather['celsius']} °C in {weather['city']}"


def _cut(text: str, asked: Any) -> tuple[str, str]:
    stops = [asked["stop"]] if isinstance(asked.get("stop"), str) else asked.get("stop") or []
    ends = [text.index(stop) for stop in stops if stop in text]
    text = text[: min(ends)] if ends else text
    limit = asked.get("max_completion_tokens") or asked.get("max_tokens") or 10**6
    words = text.split(" ")
    return (" ".join(words[:limit]), "length") if len(words) > limit else (text, "stop")


def _calls(asked: Any) -> Iterator[dict[str, Any]]:
    choice = asked.get("tool_choice") or "auto"
    if not asked.get("tools") or choice == "none" or asked["messages"][-1]["role"] == "tool":
        return
    question = json.dumps(asked["messages"][-1]["content"])
    cities = [city for city in WEATHER if city in question] or (["unknown"] if choice != "auto" else [])
    for number, city in enumerate(cities if asked.get("parallel_tool_calls", True) else cities[:1]):
        arguments = json.dumps({"city": city})
        function = {"name": asked["tools"][0]["function"]["name"], "arguments": arguments}
        yield {"id": f"call_{number}{city}", "type": "function", "function": function}


def _logprob(token: str) -> dict[str, Any]:
    top = [{"token": token, "logprob": -0.25, "bytes": list(token.encode())}]
    return {"token": token, "logprob": -0.25, "bytes": list(token.encode()), "top_logprobs": top}


def _parts(choices: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Whole choices in pieces, as a stream has them."""
    for choice in choices:
        message, index = choice["message"], choice["index"]
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        if "reasoning_content" in message:
            deltas += [{"reasoning_content": piece} for piece in pieces(message["reasoning_content"])]
        deltas += [{"content": piece} for piece in pieces(message["content"] or "")]
        for place, call in enumerate(message.get("tool_calls", ())):
            begun = {**call, "index": place, "function": {**call["function"], "arguments": ""}}
            deltas.append({"tool_calls": [begun]})
            parts = pieces(call["function"]["arguments"])
            deltas += [{"tool_calls": [{"index": place, "function": {"arguments": part}}]} for part in parts]
        for number, delta in enumerate(deltas):
            told = choice.get("logprobs") if number == 1 else None
            yield {"index": index, "delta": delta, "logprobs": told, "finish_reason": None}
        yield {"index": index, "delta": {}, "finish_reason": choice["finish_reason"]}
