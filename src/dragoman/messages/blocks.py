"""Content blocks, made into what a chat message holds."""

from collections.abc import Iterable, Iterator
from typing import Any

Block = dict[str, Any]
Part = dict[str, Any]

UNNAMED = "document.pdf"
MARKS = {"image_url": "[image]", "file": "[document]"}
"""What stands in a text for what cannot stand there itself."""


def content_of(blocks: Iterable[Block]) -> str | list[Part]:
    """Blocks as the content of a message: a text if they are nothing else, so that every backend can read it."""
    parts = list(parts_of(blocks))
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def text_of(content: Any) -> str:
    """The text in a string, or in blocks; what is no text leaves a mark."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] if part["type"] == "text" else MARKS[part["type"]] for part in parts_of(content))


def parts_of(blocks: Iterable[Block]) -> Iterator[Part]:
    """The parts that blocks become. What belongs to the answerer only, and what nobody knows, becomes none."""
    for block in blocks:
        kind = block["type"]
        if kind == "image":
            yield {"type": "image_url", "image_url": {"url": _url(block["source"])}}
        elif kind == "document":
            yield _document(block)
        elif kind == "search_result":
            yield _text((block["title"], block["source"], text_of(block["content"])))
        elif isinstance(text := block.get("text"), str):
            yield {"type": "text", "text": text}


def _document(block: Block) -> Part:
    source, title = block["source"], block.get("title")
    if source["type"] in ("base64", "url"):
        return {"type": "file", "file": {"filename": title or UNNAMED, "file_data": _url(source)}}
    text = source["data"] if source["type"] == "text" else text_of(source["content"])
    return _text((title, block.get("context"), text))


def _text(texts: Iterable[str | None]) -> Part:
    return {"type": "text", "text": "\n".join(filter(None, texts))}


def _url(source: dict[str, str]) -> str:
    return source["url"] if source["type"] == "url" else f"data:{source['media_type']};base64,{source['data']}"
