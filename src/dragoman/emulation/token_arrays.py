"""Texts that came as tokens, for a backend that takes text."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from dragoman.asked import TOKENS
from dragoman.call import Call, Chunk, Handler, Middleware
from dragoman.counting import Decode, TokenOptions, decoder
from dragoman.errors import InvalidRequest, Unable

INSTEAD = (
    "This model takes text, and which words these tokens stand for is not known here. Send texts instead of arrays of "
    "tokens; LangChain does with `OpenAIEmbeddings(check_embedding_ctx_length=False)`."
)


def decoded(tokens: TokenOptions) -> Middleware:
    """Makes text of token arrays by the vocabulary of `tokens`, or of the one that callers use who know none better.

    Raises Unable if it is not there, InvalidRequest if there is no such token.
    """

    def around(next: Handler) -> Handler:
        async def handle(call: Call) -> AsyncIterator[Chunk]:
            decode = await asyncio.to_thread(decoder, tokens)  # which reads a file of some MB, once
            where = call.request.where
            messages = [_told(decode, each, where(place)) for place, each in enumerate(call.request.messages)]
            async for chunk in next(call.asking(messages=messages)):
                yield chunk

        return handle

    return around


def _told(decode: Decode | None, message: Any, where: str) -> Any:
    content = message.get("content")
    if not isinstance(content, list) or not any(part["type"] == TOKENS for part in content):
        return message
    if decode is None:
        raise Unable(INSTEAD, param=where, code="unsupported_content")
    try:
        texts = [_text(decode, part) for part in content]
    except ValueError:
        told = f"Invalid value for '{where}': a number that stands for no token."
        raise InvalidRequest(told, param=where, code="invalid_value") from None
    return {**message, "content": texts[0]["text"] if len(texts) == 1 else texts}


def _text(decode: Decode, part: Any) -> Any:
    return {"type": "text", "text": decode(part[TOKENS])} if part["type"] == TOKENS else part
