"""What docs/clients.md shows, as it is run here."""

import re
from pathlib import Path

GUIDE = Path("docs/clients.md").absolute()
KEY, URL = "sk-…", "http://127.0.0.1:8000"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def languages() -> list[str]:
    """Each block's language."""
    return [language for language, _ in _BLOCK.findall(GUIDE.read_text())]


def shown(language: str, url: str) -> list[str]:
    """The blocks of a language in their order, with this address in place of the guide's."""
    blocks = [block for of, block in _BLOCK.findall(GUIDE.read_text()) if of == language]
    return [block.replace(URL, url).replace(KEY, "sk-test") for block in blocks]
