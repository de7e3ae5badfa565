"""Jobs: an answer that is asked for again and again until it is done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Annotated, Any, Literal

from pydantic import Field

from dragoman.call import Call, Chunk
from dragoman.errors import Failure, UpstreamJobFailed, UpstreamJobTimeout, UpstreamStreamRewrite
from dragoman.mapping.readings import SHOWN, Reading
from dragoman.mapping.requests import ANSWERED, Asking, Sender
from dragoman.paths import Path, found
from dragoman.units import Seconds
from dragoman.upstream import Upstream

CANCEL_SECONDS = 5.0


class Cancel(Asking):
    """The call that gives a job up."""


class Poll(Asking):
    """How to come by the answer of a job. Templates can speak of `answer`, the one to its submission."""

    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    """How it is asked."""
    until: Path
    """Truthy: the job is done."""
    failed: Path | None = None
    """Truthy: it failed."""
    every: Seconds = 1.0
    """The pause before it is asked for."""
    backoff: Annotated[float, Field(ge=1, le=10)] = 1.5
    """How much longer each pause is than the one before."""
    at_most: Seconds = 10.0
    """The longest pause."""
    limit: Seconds = 120.0
    """After this time the job is given up."""
    mode: Literal["end", "snapshot", "delta"] = "end"
    """Whether the text comes at the end, or grows with each answer (`snapshot`), or comes in pieces (`delta`)."""
    cancel: Cancel | None = None
    """Sent when the job is given up, or the caller has left."""


class Jobs:
    """Waits for the jobs of one backend."""

    def __init__(self, options: Poll, upstream: Upstream, reading: Reading, base: str) -> None:
        self.options, self._upstream, self._reading = options, upstream, reading
        self._poll = Sender(options, base, ANSWERED, "poll")
        self._cancel = Sender(options.cancel, base, ANSWERED, "poll.cancel") if options.cancel else None
        self._until = found(options.until)
        self._failed = found(options.failed) if options.failed else None
        self.names = (self._poll.names | (self._cancel.names if self._cancel else frozenset())) - {"answer"}
        """The variables that its requests speak of."""

    async def chunks(self, call: Call, values: dict[str, Any], submitted: Any) -> AsyncIterator[Chunk]:
        """The answer of a job that was submitted. Raises UpstreamJobFailed, UpstreamJobTimeout and others."""
        job = _Job(self, {**values, "answer": submitted})
        call.open.push_async_callback(job.leave)
        said = ""
        async for value in job.answers(submitted):
            chunk = self._reading.whole(value, bool(said)) if job.over else Chunk(text=self._reading.text(value) or "")
            if self.options.mode == "snapshot":
                said, chunk.text = _grown(said, chunk.text)
            elif self.options.mode == "delta":
                said = said or chunk.text
            if job.over or (chunk.text and self.options.mode != "end"):
                yield chunk

    def check(self, value: Any) -> None:
        """Raises an UpstreamFailure if an answer is an error."""
        self._reading.check(value)

    def shown(self, value: Any) -> str | None:
        """What callers may read of an error."""
        explained = self._reading.explain(value, 0)
        return explained.message if explained else None

    def failed(self, value: Any) -> bool:
        """Whether an answer says that the job has failed."""
        return bool(self._failed and self._failed(value))

    def done(self, value: Any) -> bool:
        """Whether an answer says that the job is done."""
        return bool(self._until(value))

    async def asked(self, values: dict[str, Any]) -> Any:
        """How the job stands. Raises an UpstreamFailure."""
        return await self._upstream.json(self._poll.made(values), "poll")

    async def cancel(self, values: dict[str, Any]) -> None:
        """Gives a job up, as far as the backend can be told."""
        if self._cancel is None:
            return
        with suppress(Failure, TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS), AsyncExitStack() as once:
                await self._upstream.send(once, self._cancel.made(values))


class _Job:
    """One job under way."""

    def __init__(self, jobs: Jobs, values: dict[str, Any]) -> None:
        self._jobs, self._values = jobs, values
        self.over = False

    async def answers(self, answer: Any) -> AsyncIterator[Any]:
        """Each answer from the submission's on; with the last the job is over."""
        clock, options = asyncio.get_running_loop().time, self._jobs.options
        end, pause = clock() + options.limit, options.every
        while not self._ended(answer):
            yield answer
            if clock() + pause > end:
                raise UpstreamJobTimeout(detail=f"the job was not done after {options.limit:g} seconds")
            await asyncio.sleep(pause)
            pause = min(pause * options.backoff, max(options.at_most, options.every))
            answer = await self._jobs.asked(self._values)
        yield answer

    def _ended(self, answer: Any) -> bool:
        self.over = True
        if self._jobs.failed(answer):
            raise UpstreamJobFailed(self._jobs.shown(answer), detail=f"the backend says: {answer}"[:SHOWN])
        self._jobs.check(answer)
        self.over = self._jobs.done(answer)
        return self.over

    async def leave(self) -> None:
        """The call is over, and so should be the job."""
        if not self.over:
            await self._jobs.cancel(self._values)


def _grown(before: str, text: str) -> tuple[str, str]:
    if text and not text.startswith(before):
        raise UpstreamStreamRewrite(detail="a job's text does not begin with what it was before")
    return text or before, text[len(before) :]
