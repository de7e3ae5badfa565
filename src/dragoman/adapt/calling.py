"""The command as it is, for asking the API once."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from dragoman.adapt.asked import Asked, CannotAdapt, variables_in
from dragoman.adapt.curl import read
from dragoman.adapt.headers import sent_once
from dragoman.adapt.sent import TYPES, sent


@dataclass(frozen=True, slots=True)
class Sending:
    """One request, its variables filled in. It holds secrets."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


def sample_request(curl: str, environment: Mapping[str, str]) -> Sending:
    """What a curl command sends. Raises CannotAdapt, also where a variable is not set."""
    asked = read(curl)
    if asked.auth:
        raise CannotAdapt("A command that signs its request cannot be called from here; give the answer by --sample.")
    filled = _Filling(environment).text
    query = urlencode([(filled(name), filled(value)) for name, value in asked.query])
    url = quote(filled(asked.url), safe="/:@!$&'()*+,;=~-._%[]")
    headers = {name: filled(value) for name, value in _headers(asked).items()}
    if asked.user:
        credentials = ":".join(map(filled, asked.user)).encode()
        headers["Authorization"] = f"Basic {b64encode(credentials).decode()}"
    return Sending(asked.method, f"{url}?{query}" if query else url, headers, filled(asked.body or "").encode())


def _headers(asked: Asked) -> dict[str, str]:
    body = sent(asked)
    type = {"Content-Type": asked.header("content-type") or TYPES[body.format]} if body else {}
    return {**sent_once(asked.headers), **type}


class _Filling:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, text: str) -> str:
        if unset := [name for name in variables_in(text) if name not in self._environment]:
            raise CannotAdapt(f"The variable {unset[0]} is not set; set it, or give the answer by --sample.")
        return re.sub("\ue000([^\ue001]*)\ue001", lambda match: self._environment[match[1]], text)
