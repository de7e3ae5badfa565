"""What a caller shows to say who it is: where it stands in a request, how it is made, and what is kept of it."""

import secrets
import string
from collections.abc import Mapping
from hashlib import sha256
from zlib import crc32

PREFIX = "dm-"
RANDOM = 32
CHECKED = 6
LENGTH = len(PREFIX) + RANDOM + CHECKED

_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_KNOWN = frozenset(_LETTERS)


def made() -> str:
    """A new secret: `dm-`, 32 random letters and digits (190 bits), and 6 that tell whether it was copied whole."""
    begin = PREFIX + "".join(secrets.choice(_LETTERS) for _ in range(RANDOM))
    return begin + _check(begin)


def well_formed(text: str) -> bool:
    """Whether a text can be a secret that was made here; it says nothing about whether anybody has it."""
    if len(text) != LENGTH or not text.startswith(PREFIX) or not _KNOWN.issuperset(text[len(PREFIX) :]):
        return False
    return text[-CHECKED:] == _check(text[:-CHECKED])


def _check(begin: str) -> str:
    """The CRC-32 of what is before, in base 62."""
    number, digits = crc32(begin.encode()), ""
    for _ in range(CHECKED):
        number, digit = divmod(number, len(_LETTERS))
        digits = _LETTERS[digit] + digits
    return digits


def digest(secret: str | bytes) -> str:
    """What is kept of a secret: its SHA-256, in hexadecimal."""
    return sha256(secret.encode(errors="surrogatepass") if isinstance(secret, str) else secret).hexdigest()


def credential(headers: Mapping[bytes, bytes]) -> bytes | None:
    """What a request shows: its bearer token, else `api-key`, else `x-api-key`. Names of headers are in lower case.

    It may be anything at all, but it is not empty.
    """
    given = headers.get(b"authorization")
    if given is not None and given[:7].lower() == b"bearer " and (token := given[7:].strip(b" \t")):
        return token
    return headers.get(b"api-key", b"").strip(b" \t") or headers.get(b"x-api-key", b"").strip(b" \t") or None
