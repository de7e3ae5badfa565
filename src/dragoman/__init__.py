"""dragoman puts OpenAI's API in front of any chat API."""

from dragoman.app import Gateway
from dragoman.call import Call, Chunk, Handler, Key, Middleware
from dragoman.config import Config
from dragoman.errors import ConfigError, Failure, Refused
from dragoman.upstream import Answer, Upstream
from dragoman.version import __version__
from dragoman.wire.chat import ChatRequest, text_of

__all__ = [
    "Answer",
    "Call",
    "ChatRequest",
    "Chunk",
    "Config",
    "ConfigError",
    "Failure",
    "Gateway",
    "Handler",
    "Key",
    "Middleware",
    "Refused",
    "Upstream",
    "__version__",
    "text_of",
]
