"""Keeps secrets out of a recording, those too that came in several pieces."""

import re
from collections.abc import Callable

from dragoman.tape.exchange import Answer, Exchange, Piece, Request

HIDDEN = "(hidden)"
SECRET_HEADER = re.compile(r"(proxy-)?authorization|(set-)?cookie|(.*-)?(key|token|secret|signature)")

Hide = Callable[[str], str]
"""A text to the same without the secrets that are known."""


def without_secrets(exchange: Exchange, hide: Hide) -> Exchange:
    """The exchange as it may be written down."""
    asked, answer = exchange.request, exchange.answer
    body = [_bytes(sent, hide) for sent in asked.body] if isinstance(asked.body, list) else _bytes(asked.body, hide)
    return Exchange(
        request=Request(
            method=asked.method, target=hide(asked.target), headers=_headers(asked.headers, hide), body=body
        ),
        answer=Answer(
            status=answer.status,
            headers=_headers(answer.headers, hide),
            body=_pieces(answer.body, hide),
            messages=[(seconds, _bytes(message, hide)) for seconds, message in answer.messages],
            whole=answer.whole,
        ),
    )


def _headers(headers: dict[str, str], hide: Hide) -> dict[str, str]:
    return {name: HIDDEN if SECRET_HEADER.fullmatch(name) else hide(value) for name, value in headers.items()}


def _bytes(said: bytes, hide: Hide) -> bytes:
    return hide(said.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def _joined(pieces: list[Piece]) -> bytes:
    return b"".join(said for _, said in pieces)


def _pieces(pieces: list[Piece], hide: Hide) -> list[Piece]:
    """The pieces without secrets. Where one runs over the seam between pieces, these become one."""
    each = [(seconds, _bytes(said, hide)) for seconds, said in pieces]
    whole = _bytes(_joined(pieces), hide)
    if _joined(each) == whole:
        return each

    def clean(seam: int) -> bool:
        return _bytes(_joined(pieces[:seam]), hide) + _bytes(_joined(pieces[seam:]), hide) == whole

    middle = len(pieces) // 2
    start = next((seam for seam in range(middle, 0, -1) if clean(seam)), 0)
    end = next((seam for seam in range(middle, len(pieces)) if clean(seam)), len(pieces))
    return _pieces(pieces[:start], hide) + _one(pieces[start:end], hide) + _pieces(pieces[end:], hide)


def _one(pieces: list[Piece], hide: Hide) -> list[Piece]:
    return [(round(sum(seconds for seconds, _ in pieces), 3), _bytes(_joined(pieces), hide))] if pieces else []
