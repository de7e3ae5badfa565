"""Whether a backend is asked at all, by how its last calls went."""

from collections.abc import Callable
from time import monotonic

from dragoman.errors import UpstreamBusy, UpstreamFailure, UpstreamRateLimited, UpstreamRejected, waited
from dragoman.guard.options import Breaking
from dragoman.guard.window import Window
from dragoman.logs import log

IN_A_ROW = 5
PROBING_SECONDS = 1.0
"""What callers are told to wait while another call finds out."""


class Breaker:
    """Closed: every call passes. Open: none does. Afterwards one at a time, until one has been answered."""

    def __init__(self, name: str, options: Breaking | None) -> None:
        self._name = name
        self._options = options
        self._seen = Window(options.window if options else 10.0)
        self._row = self._times = 0
        self._until = 0.0
        self._open = self._probing = False
        self._last: UpstreamFailure | None = None
        self.tell: Callable[[float, str], None] = lambda seconds, code: None
        """Is told when it opens: for how many seconds, and by what error code."""

    @property
    def available(self) -> bool:
        """Whether it is not known to be down: a call would pass, or could at least find out."""
        return not self._open or monotonic() >= self._until

    def check(self) -> None:
        """Raises what the backend failed with of late, if it is left alone now."""
        if self._last is None:
            return
        left = self._until - monotonic()
        if left > 0:
            raise self._last.again(left)
        if self._probing:
            raise self._last.again(PROBING_SECONDS)
        if not self._open:
            self._last = None

    def admit(self) -> bool:
        """Whether this call is the one that finds out whether the backend is back. Raises as `check` does."""
        self.check()
        self._probing = self._open
        return self._probing

    def unproven(self) -> None:
        """The call that was to find out ended without an answer."""
        self._probing = False

    def succeeded(self, seconds: float) -> None:
        """An answer has begun after so many seconds."""
        if self._options and self._options.slow and seconds > self._options.slow:
            self._count(UpstreamBusy(detail=f"an answer began after {seconds:.1f} s"))
            return
        self._row = 0
        self._seen.add(others=1)
        if self._open:
            self._close()

    def failed(self, failure: UpstreamFailure) -> None:
        """A call has failed."""
        if isinstance(failure, UpstreamRateLimited):
            self._probing = False
            self._cool(failure)
        elif isinstance(failure, UpstreamRejected):
            self.succeeded(0.0)
        elif not isinstance(failure, UpstreamBusy):
            self._count(failure)

    def opened_elsewhere(self, seconds: float, failure: UpstreamFailure) -> None:
        """Another process leaves the backend alone for so long."""
        if self._last is None:
            self._last, self._open = failure, True
            self._until = monotonic() + seconds

    def _cool(self, failure: UpstreamFailure) -> None:
        """Leaves it alone for as long as it says."""
        seconds = waited(failure)
        if seconds and self._options:
            self._last, self._until = failure, monotonic() + seconds
            self.tell(seconds, failure.code or "")

    def _count(self, failure: UpstreamFailure) -> None:
        if self._options is None:
            return
        self._row += 1
        self._seen.add(ours=1)
        seen = self._seen.ours + self._seen.others
        often = seen >= self._options.calls and self._seen.ours >= seen * self._options.failures
        if self._probing or (not self._open and (often or self._row >= IN_A_ROW)):
            self._break(failure, self._options)

    def _break(self, failure: UpstreamFailure, options: Breaking) -> None:
        seconds = min(options.longest, options.open * 2**self._times)
        self._times = min(self._times + 1, 16)
        self._last, self._open, self._probing = failure, True, False
        self._until = monotonic() + seconds
        self._seen.clear()
        self.tell(seconds, failure.code or "")
        log.warning("breaker opened", backend=self._name, seconds=seconds, code=failure.code)

    def _close(self) -> None:
        self._open = self._probing = False
        self._times = 0
        self._last = None
        self._seen.clear()
        log.info("breaker closed", backend=self._name)
