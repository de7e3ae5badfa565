"""What `balance` and `hedge` make of slow first bytes, beside plain round robin: a simulation that runs the real code.

.venv/bin/python -m bench.simulation

Four backends begin their answers after a time with a heavy tail. Calls come by chance (a Poisson process), the same
for every policy and at the same moments. A backend's times do not depend on how much it has to do. They are short, so
that many calls fit into a minute; what dragoman waits, forgets and saves up for is not shortened.
"""

import argparse
import asyncio
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeAlias

from dragoman import Gateway
from dragoman.call import ANYONE, Call, Chunk, Handler, begun
from dragoman.wire.chat import ChatRequest

NAMES = "abcd"
LEAST = 0.01
"""Seconds within which no backend begins an answer: about a fiftieth of what a chat API takes."""
LONGEST = 2.0
SLOWER = 10.0
AFTER = 3 * LEAST
REQUEST = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "How is the sea?"}]})
COLUMNS = ("policy", "p50, ms", "p95, ms", "p99, ms", "round robin's p99 ÷ this", "extra upstream calls")

Models: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Weather:
    """How quick the backends are: an answer begins after `LEAST` times a Pareto number of that shape."""

    name: str
    shape: float
    spells: int = 0
    """So many of the backends are `SLOWER` for a while, one after the other."""
    lasts: float = 0.0
    """How long each of them is, as a share of the time that is simulated."""

    def slow(self, number: int, moment: float) -> bool:
        """Whether a backend is slow at a moment between 0 and 1."""
        return number < self.spells and 0 <= moment - (number + 0.5) / self.spells < self.lasts


WEATHERS = (
    Weather("A slow backend: one of four begins 10 times later, for a tenth of the time", 4.0, 1, 1 / 10),
    Weather("Slow spells: each of four begins 10 times later, for a forty-eighth of the time", 4.0, 4, 1 / 48),
    Weather("Heavy tails: any answer may be late, whoever gives it", 1.5),
)


class Backends:
    """The backends in one weather, and how often they are asked."""

    def __init__(self, weather: Weather, seconds: float, seed: int) -> None:
        self.asked: Counter[str] = Counter()
        self._weather, self._random = weather, random.Random(seed)
        self._began, self._lasts = time.monotonic(), seconds

    def configured(self) -> dict[str, Any]:
        """Them in a configuration's words."""
        return {name: {"kind": "python", "target": self._target(number)} for number, name in enumerate(NAMES)}

    def _target(self, number: int) -> Callable[[], Awaitable[str]]:
        async def answer() -> str:
            self.asked[NAMES[number]] += 1
            await asyncio.sleep(self._seconds(number))
            return "It is calm."

        return answer

    def _seconds(self, number: int) -> float:
        slow = self._weather.slow(number, (time.monotonic() - self._began) / self._lasts)
        return min(LONGEST, LEAST * self._random.paretovariate(self._weather.shape) * (SLOWER if slow else 1.0))


def several(policy: str, **more: Any) -> dict[str, Any]:
    """A model that all backends answer for."""
    return {"backends": list(NAMES), "policy": policy, **more}


POLICIES: dict[str, Models] = {
    "round robin": {name: name for name in NAMES},
    "`balance`": {"m": several("balance")},
    "`hedge`": {"m": several("hedge")},
    "`hedge`, `after: 30ms`": {"m": several("hedge", after=AFTER)},
    "the same, of two `balance`": {"m": {"backends": [several("balance")] * 2, "policy": "hedge", "after": AFTER}},
}
"""The models of each policy's gateway."""


def road(gateway: Gateway) -> Handler:
    """The gateway, or one model after the other where none is named `m`."""
    if "m" in gateway.config.models:
        return gateway.handle
    names = itertools.cycle(gateway.config.models)
    return lambda call: gateway.handle(call.asking(model=next(names)))


async def first_byte(handler: Handler) -> float:
    """Asks once; how many seconds the answer took to begin."""
    async with AsyncExitStack() as opened:
        began = time.perf_counter()
        chunks: AsyncIterator[Chunk] = await begun(handler(Call(REQUEST, ANYONE, opened)))
        took = time.perf_counter() - began
        async for _ in chunks:
            pass
    return took


async def asked(handler: Handler, arrivals: Sequence[float]) -> list[float]:
    """The first bytes of calls that come at such seconds from now."""
    loop = asyncio.get_running_loop()
    began, calls = loop.time(), []
    async with asyncio.TaskGroup() as group:
        for arrival in arrivals:
            await asyncio.sleep(began + arrival - loop.time())
            calls.append(group.create_task(first_byte(handler)))
    return [call.result() for call in calls]


@dataclass(frozen=True)
class Told:
    """What came of one policy."""

    times: Sequence[float]
    """The first byte of each call, in seconds."""
    asked: Counter[str]
    """How often each backend was asked."""

    @property
    def extra(self) -> float:
        """Upstream calls beyond one a call, as a share."""
        return self.asked.total() / len(self.times) - 1

    def percentile(self, share: float) -> float:
        """Milliseconds within which that share of the answers began."""
        return sorted(self.times)[int(len(self.times) * share)] * 1000

    def later(self, seconds: float) -> int:
        """How many answers began later than that."""
        return sum(time > seconds for time in self.times)


async def told(models: Models, backends: Backends, arrivals: Sequence[float]) -> Told:
    """Runs one policy."""
    gateway = Gateway({"backends": backends.configured(), "models": models})
    async with gateway.opened():
        times = await asked(road(gateway), arrivals)
    return Told(times, backends.asked)


def poisson(seconds: float, rate: float, seed: int) -> list[float]:
    """When calls come, in seconds from the beginning."""
    chance = random.Random(seed)
    gaps = (chance.expovariate(rate) for _ in itertools.count())
    return list(itertools.takewhile(lambda moment: moment < seconds, itertools.accumulate(gaps)))


async def simulated(
    weather: Weather, policies: dict[str, Models], seconds: float, rate: float, seed: int = 7
) -> dict[str, Told]:
    """What comes of each policy, all at the same time."""
    random.seed(seed)
    arrivals = poisson(seconds, rate, seed)
    runs = (told(models, Backends(weather, seconds, seed), arrivals) for models in policies.values())
    found = await asyncio.gather(*runs)
    return dict(zip(policies, found, strict=True))


def table(found: dict[str, Told]) -> Iterator[str]:
    """The results as Markdown."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---|" + "--:|" * (len(COLUMNS) - 1)
    plain = found["round robin"].percentile(0.99)
    for policy, each in found.items():
        figures = [f"{each.percentile(share):.0f}" for share in (0.5, 0.95, 0.99)]
        yield f"| {' | '.join([policy, *figures, f'{plain / each.percentile(0.99):.1f}', f'{each.extra:.1%}'])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=16.0, help="of each kind of weather")
    parser.add_argument("--rate", type=float, default=150.0, help="calls a second")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    for weather in WEATHERS:
        found = asyncio.run(simulated(weather, POLICIES, options.seconds, options.rate, options.seed))
        sys.stdout.write("\n".join([f"{weather.name}\n", *table(found), "", ""]))


if __name__ == "__main__":
    main()
