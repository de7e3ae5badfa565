"""Completions, OpenAI's older API: a prompt in, the text that goes on from it out."""

from collections.abc import Sequence
from typing import Any

from dragoman.asked import message as asked_with
from dragoman.call import Key
from dragoman.door import Question, Surface
from dragoman.edge import Caller
from dragoman.errors import InvalidRequest, Unable
from dragoman.prompts.asking import Prompt, asking
from dragoman.prompts.telling import FoldedText, StreamedText, Wanted
from dragoman.reading import request_in
from dragoman.wire.completions import MAX_TOKENS, CompletionRequest, TextCompletion, TextCompletionEvent

MOST_CHOICES = 1024
"""Of one answer, for all prompts together."""
MOST_REPEATED = 16 * 1024 * 1024
"""Characters that one request may have said again and again: prompts that are echoed, a suffix after each prompt."""
PASSED = (
    *("model", "n", "stream", "stream_options", "temperature", "top_p", "frequency_penalty", "presence_penalty"),
    *("stop", "logit_bias", "seed", "user"),
)
"""What is the same in a chat request."""


class Completions(Surface):
    """`POST /v1/completions`."""

    name, path, summary = "completions", "/completions", "Create completion"
    description = "Goes on from a prompt, or from several, whole or, with `stream: true`, as server-sent events."
    takes, gives, streams = CompletionRequest, TextCompletion, TextCompletionEvent

    async def asked(self, body: bytes, caller: Caller, key: Key) -> "CompletionQuestion":
        request = request_in(body, CompletionRequest, caller.model)
        prompts = request.prompts
        _check(request, prompts)
        messages = [_message(prompt, request.suffix) for prompt in prompts]
        echoed = [prompt if isinstance(prompt, str) else "" for prompt in prompts] if request.echo else [""]
        wanted = Wanted(echoed, len(prompts), request.n or 1, request.logprobs)
        return CompletionQuestion(asking(messages, _given(request)), wanted)


def _check(request: CompletionRequest, prompts: Sequence[str | list[int]]) -> None:
    """Raises InvalidRequest for what is not made."""
    if request.best_of is not None and request.best_of > (request.n or 1):
        raise Unable(
            "No model here tells which of several completions is the best. Leave 'best_of' out, or ask for all of them "
            "with 'n'.",
            param="best_of",
            code="unsupported_parameter",
        )
    if len(prompts) * (request.n or 1) > MOST_CHOICES:
        told = f"Invalid 'n': {len(prompts)} prompts with so many choices each are too many. At most {MOST_CHOICES} "
        raise InvalidRequest(f"{told}choices are given in all.", param="n", code="integer_above_max_value")
    if request.echo and not all(isinstance(prompt, str) for prompt in prompts):
        raise Unable(
            "Tokens cannot be echoed. Send the prompt as text, or leave 'echo' out.",
            param="echo",
            code="unsupported_parameter",
        )
    _check_repeated("echo", sum(map(len, prompts)) * (request.n or 1) if request.echo else 0)
    _check_repeated("suffix", len(request.suffix or "") * len(prompts))


def _check_repeated(param: str, size: int) -> None:
    if size > MOST_REPEATED:
        raise InvalidRequest(
            f"Invalid '{param}': it comes to {size} characters for all prompts and choices together. At most "
            f"{MOST_REPEATED} are repeated. Ask for fewer at once.",
            param=param,
            code="string_above_max_length",
        )


def _given(request: CompletionRequest) -> dict[str, Any]:
    """What is asked of a chat model beside the messages."""
    given = {name: value for name in PASSED if (value := getattr(request, name)) is not None}
    given["max_tokens"] = MAX_TOKENS if request.max_tokens is None else request.max_tokens
    if request.logprobs is not None:
        given |= {"logprobs": True, "top_logprobs": request.logprobs}
    extra = request.__pydantic_extra__ or {}  # of which nobody has checked what chat has a meaning for
    return {**given, **{name: extra[name] for name in extra if name not in Prompt.model_fields}}


def _message(prompt: str | list[int], suffix: str | None) -> dict[str, Any]:
    """The message that asks a chat model to go on from a prompt, or to fill the gap before a suffix."""
    if not suffix:
        return asked_with(prompt)
    before = (
        "Write the text that belongs between the two texts below. Answer with nothing but that text: repeat neither of "
        "the two, explain nothing, and put no quotes around it.\n\nThe text before it:\n\n"
    )
    after = f"\n\nThe text after it:\n\n{suffix}"
    if isinstance(prompt, str):
        return asked_with(f"{before}{prompt}{after}")
    [tokens] = asked_with(prompt)["content"]
    return asked_with([{"type": "text", "text": before}, tokens, {"type": "text", "text": after}])


class CompletionQuestion(Question):
    """A request in a chat's words, and how its answer is told in those of completions."""

    __slots__ = ("_wanted",)

    def __init__(self, request: Prompt, wanted: Wanted) -> None:
        super().__init__(request)
        self._wanted = wanted

    def folded(self) -> FoldedText:
        return FoldedText(self.request.model, self._wanted)

    def streamed(self) -> StreamedText:
        return StreamedText(self.request.model, self.request.wants_usage, self._wanted)
