"""The seed's entry: `uvicorn main:app --host 0.0.0.0 --port 8000`.

It serves `mock-gpt-model` out of an external chat API. To plug in your own, change `fetch_external_chat_response`.
"""

import os

import orjson

from dragoman import Call, ChatRequest, Gateway, Upstream, text_of
from dragoman.errors import UpstreamBadContentType, UpstreamBadResponse
from dragoman.logs import written

EXTERNAL_CHAT_URL = os.environ.get("EXTERNAL_CHAT_URL", "https://test.com/chatting")
SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "stop", "seed")
REPLY_KEYS = ("reply", "response", "message", "answer", "content", "text", "output")

external = Upstream(EXTERNAL_CHAT_URL)


async def fetch_external_chat_response(request: ChatRequest, call: Call) -> str:
    """Gets the reply to a chat request from the external API. Replace it with whatever reaches yours.

    It may be `async` or not (then it runs in a thread), return the text or yield it piece by piece, and take
    `request`, `messages` or `call`, whichever it names.
    """
    messages = [{"role": message["role"], "content": text_of(message.get("content"))} for message in request.messages]
    users = [message["content"] for message in messages if message["role"] == "user"]
    payload = {"model": request.model, "message": users[-1] if users else "", "messages": messages}
    payload |= {name: value for name in SAMPLING if (value := getattr(request, name)) is not None}
    if request.limit is not None:
        payload["max_tokens"] = request.limit
    answer = await external.ask(call, payload)
    return reply_in(await answer.whole(), answer.type)


def reply_in(body: bytes, media_type: str) -> str:
    """The reply in the external API's answer: a plain text, or the first of REPLY_KEYS in a JSON object."""
    if media_type == "text/html":
        raise UpstreamBadContentType(detail="the external API answered with a web page")
    if "json" not in media_type and not body.lstrip().startswith(b"{"):
        return body.decode(errors="replace")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UpstreamBadResponse(detail="the external API's JSON is broken") from error
    found = value if isinstance(value, dict) else {"reply": value}
    for key in REPLY_KEYS:
        if isinstance(found.get(key), str):
            return str(found[key])
    raise UpstreamBadResponse(detail=f"none of {', '.join(REPLY_KEYS)} is a text in the external API's answer")


gateway = Gateway(
    {
        "backends": {"external": {"kind": "python", "target": fetch_external_chat_response}},
        "models": {"mock-gpt-model": {"backend": "external", "owned_by": "mock"}},
    }
)
gateway.opens(external)
written("debug")
app = gateway.app
