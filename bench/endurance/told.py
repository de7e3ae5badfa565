"""What an experiment came to."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Told:
    """How many calls there were, what came of them, and what must not have happened."""

    name: str
    calls: int = 0
    figures: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def check(self, holds: bool, violation: str) -> None:
        """Notes what must not have happened, unless it holds."""
        if not holds:
            self.violations.append(violation)

    @property
    def row(self) -> str:
        """The line of a Markdown table."""
        figures = ", ".join(f"{name} {_short(figure)}" for name, figure in self.figures.items())
        return f"| {self.name} | {self.calls} | {figures} | {len(self.violations)} |"


def _short(figure: float) -> str:
    return f"{figure:.3g}" if isinstance(figure, float) else str(figure)


HEAD = "| experiment | calls | what came of them | violations |\n|---|---|---|---|"
