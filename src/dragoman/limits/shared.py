"""Limits in Redis, exact over processes and hosts: one script takes all, another settles many."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha1
from itertools import count
from typing import Any, Self

from dragoman.errors import MemoryDown
from dragoman.ids import unique
from dragoman.limits.pipe import Orphan, Pipe, packed
from dragoman.limits.wants import Places, Purse, Rate, Taken, Want, took, turned_away

PREFIX = "dragoman:limits:"
LEASE_SECONDS = 60.0
SETTLE_SECONDS = 0.02
"""For so long settlements are gathered."""
AT_ONCE = 200
MOST_WAITING = 10_000
"""Settlements that are kept while Redis is away."""
END_SECONDS = 2.0

_COMMON = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function level(kind, key, limit, seed)
  if kind == 'R' then
    local held = redis.call('HMGET', key, 'level', 'at')
    if not held[1] then return 0 end
    return math.max(0, tonumber(held[1]) - (now - tonumber(held[2])) * limit / 60000000)
  elseif kind == 'C' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    return redis.call('ZCARD', key)
  end
  return math.max(tonumber(redis.call('GET', key) or '0'), seed)
end
local function keep(kind, key, limit, value, lasts)
  value = math.max(0, value)
  if kind == 'R' then
    redis.call('HSET', key, 'level', string.format('%.17g', value), 'at', string.format('%.0f', now))
    redis.call('PEXPIRE', key, math.ceil(value * 60000 / limit) + 1000)
  else
    redis.call('SET', key, string.format('%.0f', value), 'PX', lasts)
  end
end
"""

TAKE = f"""{_COMMON}
local member, lease = ARGV[1], tonumber(ARGV[2])
local told = {{0}}
local wants = {{}}
for i, key in ipairs(KEYS) do
  local at = 3 + (i - 1) * 6
  local want = {{kind = ARGV[at], limit = tonumber(ARGV[at + 1]), least = tonumber(ARGV[at + 2]),
    hoped = tonumber(ARGV[at + 3]), seed = tonumber(ARGV[at + 4]), lasts = tonumber(ARGV[at + 5])}}
  want.level = level(want.kind, key, want.limit, want.seed)
  local fits = want.level < want.limit
  if want.kind == 'R' then fits = want.level + want.least <= want.limit + 1e-6 end
  if not fits and told[1] == 0 then told[1] = i end
  wants[i] = want
end
for i, key in ipairs(KEYS) do
  local want, amount = wants[i], 0
  if told[1] == 0 then
    if want.kind == 'C' then
      amount = 1
      redis.call('ZADD', key, now + lease * 1000, member)
      redis.call('PEXPIRE', key, lease * 2)
    else
      amount = want.least + want.hoped
      if want.kind == 'R' then
        local room = math.floor(want.limit - want.level + 1e-6) - want.least
        amount = want.least + math.max(0, math.min(want.hoped, room))
      end
      keep(want.kind, key, want.limit, want.level + amount, want.lasts)
    end
  end
  told[#told + 1] = string.format('%.0f', amount)
  told[#told + 1] = string.format('%.17g', want.level + amount)
end
return told
"""

SETTLE = f"""{_COMMON}
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 4
  local kind, limit, change, last = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), ARGV[at + 4]
  if kind == 'C' then
    redis.call('ZREM', key, last)
  elseif kind == 'L' then
    redis.call('ZADD', key, 'XX', now + limit * 1000, last)
    redis.call('PEXPIRE', key, limit * 2)
  else
    keep(kind, key, limit, level(kind, key, limit, 0) + change, tonumber(last))
  end
end
return 1
"""

_KINDS: dict[type[Want], bytes] = {Rate: b"R", Places: b"C", Purse: b"P"}

Settlement = tuple[bytes, bytes, bytes, bytes, bytes]
"""The key, then the kind, limit, change and last argument of the script."""


class _Script:
    def __init__(self, text: str) -> None:
        self.text = text.encode()
        self.sha = sha1(self.text, usedforsecurity=False).hexdigest().encode()

    def command(self, keys: Sequence[bytes], arguments: Sequence[bytes], whole: bool = False) -> bytes:
        head = (b"EVAL", self.text) if whole else (b"EVALSHA", self.sha)
        return packed([*head, b"%d" % len(keys), *keys, *arguments])


_take, _settle = _Script(TAKE), _Script(SETTLE)


class Shared:
    """Limits that every process with the same Redis (6.2 or newer, not a cluster) has in common.

    A place is a lease: those of a process that was killed come back after `lease` seconds.
    """

    def __init__(self, url: str, seconds: float = 1.0, lease: float = LEASE_SECONDS) -> None:
        """An answer may take so many seconds. Raises ConfigError for a URL that cannot be used."""
        self._pipe = Pipe(url, seconds)
        self._lease = b"%d" % round(lease * 1000)
        self._renewing = lease / 3
        self._process, self._numbers = unique(""), count()
        self._held: dict[str, list[bytes]] = {}
        """By member, where it holds places."""
        self._unsettled: deque[Settlement] = deque(maxlen=MOST_WAITING)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._pipe.__aenter__()
        self._due = asyncio.Event()
        self._tasks = [asyncio.ensure_future(self._settling()), asyncio.ensure_future(self._renew())]
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(TimeoutError, MemoryDown):
            async with asyncio.timeout(END_SECONDS):
                await self._send_settlements()
        await self._pipe.__aexit__()

    async def take(self, wants: Sequence[Want]) -> Taken:
        """Takes all that is wanted, or nothing. Raises MemoryDown."""
        member = f"{self._process}:{next(self._numbers)}"
        keys = [_key(want) for want in wants]
        arguments = [member.encode(), self._lease]
        for want in wants:
            lasts = max(1, round(want.lasts * 1000)) if isinstance(want, Purse) else 0
            numbers = b"%d %d %d %d %d" % (want.limit, want.least, want.hoped, want.seed, lasts)
            arguments += (_KINDS[type(want)], *numbers.split())

        def orphan(answer: Any) -> None:
            if isinstance(answer, list):
                self._give_back(wants, _read(wants, answer, member))

        answer = await self._answered(_take.command(keys, arguments), orphan)
        if isinstance(answer, Exception) and str(answer).startswith("NOSCRIPT"):
            answer = await self._answered(_take.command(keys, arguments, whole=True), orphan)
        if not isinstance(answer, list):
            raise MemoryDown(str(answer))
        taken = _read(wants, answer, member)
        if taken.refused is None and (places := [_key(want) for want in wants if isinstance(want, Places)]):
            self._held[member] = places
        return taken

    async def _answered(self, command: bytes, orphan: Orphan) -> Any:
        """The answer to a command; `orphan` gets it if nobody waits any more. Raises MemoryDown."""
        answer = self._pipe.ask(command, orphan)
        try:
            return await answer
        except asyncio.CancelledError:
            # it may have come in the very turn in which its caller left
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                orphan(answer.result())
            raise

    def settle(self, wants: Sequence[Want], taken: Taken, used: Sequence[int]) -> None:
        """What was really used of what was taken; places are given back. It is sent soon, and nobody waits."""
        if taken.settled:
            return
        taken.settled = True
        self._held.pop(taken.member, None)
        for want, amount, really in zip(wants, taken.amounts, used, strict=True):
            if really != amount:
                last = taken.member if isinstance(want, Places) else str(_lasts(want))
                numbers = b"%d" % want.limit, b"%d" % (really - amount)
                self._unsettled.append((_key(want), _KINDS[type(want)], *numbers, last.encode()))
        self._due.set()

    def _give_back(self, wants: Sequence[Want], taken: Taken) -> None:
        """Nobody waits for it any more."""
        self.settle(wants, taken, [0] * len(wants))

    async def _settling(self) -> None:
        while True:
            await self._due.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._due.clear()
            try:
                await self._send_settlements()
            except MemoryDown:
                await asyncio.sleep(SETTLE_SECONDS * 10)
                self._due.set()

    async def _send_settlements(self) -> None:
        while self._unsettled:
            if not self._pipe.up:
                raise MemoryDown("not connected")
            batch = [self._unsettled.popleft() for _ in range(min(AT_ONCE, len(self._unsettled)))]
            await self._run(batch)

    async def _run(self, batch: Sequence[Settlement]) -> None:
        keys = [settlement[0] for settlement in batch]
        arguments = [part for settlement in batch for part in settlement[1:]]
        answer = await self._pipe.ask(_settle.command(keys, arguments))
        if isinstance(answer, Exception) and str(answer).startswith("NOSCRIPT"):
            await self._pipe.ask(_settle.command(keys, arguments, whole=True))

    async def _renew(self) -> None:
        """Keeps the places of calls that take long."""
        while True:
            await asyncio.sleep(self._renewing)
            held = [
                (place, b"L", self._lease, b"0", member.encode())
                for member, places in list(self._held.items())
                for place in places
            ]
            for start in range(0, len(held), AT_ONCE):
                with suppress(MemoryDown):
                    await self._run(held[start : start + AT_ONCE])


def _lasts(want: Want) -> int:
    return max(1, round(want.lasts * 1000)) if isinstance(want, Purse) else 0


def _key(want: Want) -> bytes:
    return f"{PREFIX}{want.name}".encode(errors="surrogatepass")


def _read(wants: Sequence[Want], answer: Sequence[Any], member: str) -> Taken:
    levels = [float(level) for level in answer[2::2]]
    if answer[0]:
        return turned_away(wants, answer[0] - 1, levels)
    return took(wants, [int(amount) for amount in answer[1::2]], levels, member)
