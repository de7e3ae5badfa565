"""Which calls a backend is for."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from dragoman.abilities import Asking
from dragoman.call import Call
from dragoman.counting import Counter
from dragoman.counting.requests import prompt_tokens
from dragoman.names import Patterns, matches

Tokens = Annotated[int, Field(ge=1)]


class When(BaseModel):
    """What a call must be like; all that is said must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    tokens_over: Tokens | None = None
    """It asks with more tokens than that."""
    tokens_up_to: Tokens | None = None
    """It asks with so many tokens, or fewer."""
    images: bool | None = None
    """Whether its messages have images."""
    tools: bool | None = None
    """Whether it offers tools, or speaks of calls."""
    stream: bool | None = None
    """Whether it wants a stream."""
    key: Patterns | None = None
    """Who asks: the ids of keys."""
    header: dict[str, Patterns] = {}
    """What stands in its headers."""
    metadata: dict[str, Patterns] = {}
    """What stands in its `metadata`."""

    def holds(self, call: Call, counter: Counter) -> bool:
        """Whether the call is like that."""
        return self._fits(call) and self._asks(Asking(call.request)) and self._measures(call, counter)

    def _fits(self, call: Call) -> bool:
        told = call.request.metadata or {}
        return (
            (self.key is None or matches(call.key.id, self.key))
            and all(matches(call.header(name.lower()), wanted) for name, wanted in self.header.items())
            and all(name in told and matches(str(told[name]), wanted) for name, wanted in self.metadata.items())
        )

    def _asks(self, asking: Asking) -> bool:
        return (
            self.images in (None, "image_url" in asking.parts)
            and self.tools in (None, asking.calls)
            and self.stream in (None, bool(asking.request.stream))
        )

    def _measures(self, call: Call, counter: Counter) -> bool:
        if self.tokens_over is None and self.tokens_up_to is None:
            return True
        tokens = prompt_tokens(call.request, counter)
        return (self.tokens_over or 0) < tokens <= (self.tokens_up_to or tokens)
