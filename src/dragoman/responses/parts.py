"""The parts of a message's content, in chat's words."""

from typing import Any

from dragoman.errors import InvalidRequest
from dragoman.wire.responses import TEXTS

Part = dict[str, Any]


def texts(parts: list[Part] | None) -> str:
    """What parts say, refusals left out."""
    return "".join(part["text"] for part in parts or () if part["type"] in TEXTS)


def refusals(parts: list[Part]) -> str:
    """What was refused in them."""
    return "".join(part["refusal"] for part in parts if part["type"] == "refusal")


def content(given: str | list[Part], place: str) -> str | list[Part]:
    """The content of a message: one text is told as such. Raises InvalidRequest, which names its `place`."""
    if isinstance(given, str):
        return given
    if len(given) == 1 and given[0]["type"] in TEXTS:
        text: str = given[0]["text"]
        return text
    return [part(each, f"{place}[{number}]") for number, each in enumerate(given)]


def part(given: Part, place: str) -> Part:
    """One part; what is newer than this server stays as it came. Raises InvalidRequest."""
    kind = given["type"]
    if kind in TEXTS:
        return {"type": "text", "text": given["text"]}
    if kind == "input_image":
        return _image(given, place)
    if kind == "input_file":
        return _file(given, place)
    if kind == "input_audio":
        return {"type": "input_audio", "input_audio": given["input_audio"]}
    return given


def _image(given: Part, place: str) -> Part:
    url, detail = given.get("image_url"), given.get("detail")
    if not url:
        raise InvalidRequest(
            f"Missing required parameter: '{place}.image_url'. This server keeps no files: send the image as a URL.",
            param=f"{place}.image_url",
            code="missing_required_parameter",
        )
    told = {"original": "high"}.get(detail, detail) if detail else None
    return {"type": "image_url", "image_url": {"url": url, **({"detail": told} if told else {})}}


def _file(given: Part, place: str) -> Part:
    if given.get("file_url"):
        raise InvalidRequest(
            f"Unsupported parameter: '{place}.file_url'. This server fetches no files: send the file as 'file_data'.",
            param=f"{place}.file_url",
            code="unsupported_parameter",
        )
    kept = ("filename", "file_data", "file_id")
    return {"type": "file", "file": {key: given[key] for key in kept if given.get(key) is not None}}
