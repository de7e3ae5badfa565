"""How much may be asked beyond what callers ask."""

from dragoman.guard.window import Window

SECONDS = 10.0
SHARE = 0.2
FREE_A_SECOND = 1.0


class Budget:
    """A fifth of the calls of the last ten seconds, and one a second beside."""

    def __init__(self) -> None:
        self._window = Window(SECONDS)

    def count(self) -> None:
        """A caller's call."""
        self._window.add(others=1)

    @property
    def left(self) -> bool:
        """Whether one more may be asked."""
        self._window.turn()
        return self._window.ours < self._window.others * SHARE + FREE_A_SECOND * SECONDS

    def spend(self) -> bool:
        """Takes one, if there is one left."""
        left = self.left
        if left:
            self._window.add(ours=1)
        return left
