"""What is heard in a model's text: what it says to the caller, and what it calls."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """Text for the caller."""

    text: str


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a known tool begins."""

    name: str


@dataclass(frozen=True, slots=True)
class Argued:
    """A further piece of the call's arguments: of one JSON object for a function, of plain text for a custom tool."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The call is complete."""

    cut: bool
    """The model stopped inside it; what was open has been closed."""
    cut_in_text: bool
    """It did so inside a text or number, so that the last value may be incomplete."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A clear call of a tool that there is not; `text` is the call as the model wrote it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Broken:
    """What clearly was meant as a call and cannot be read as one, as the model wrote it."""

    text: str


Event = Said | Called | Argued | Ended | Unknown | Broken


class Report:
    """Collects events; texts that follow each other become one."""

    def __init__(self) -> None:
        self.calls = 0
        """How many calls there were so far, of tools known or not."""
        self._events: list[Event] = []
        self._parts: list[str] = []
        self._arguing = False
        self.muted = False
        """Whether what is said is not reported, as it was before."""

    def said(self, text: str) -> None:
        if not self.muted:
            self._part(text, False)

    def argued(self, text: str) -> None:
        self._part(text, True)

    def called(self, name: str) -> None:
        self.calls += 1
        self._add(Called(name))

    def ended(self, cut: bool = False, cut_in_text: bool = False) -> None:
        self._add(Ended(cut, cut and cut_in_text))

    def unknown(self, name: str, text: str) -> None:
        self.calls += 1
        self._add(Unknown(name, text))

    def broken(self, text: str) -> None:
        self.calls += 1
        self._add(Broken(text))

    def taken(self) -> list[Event]:
        """What was collected since it was last asked."""
        self._join()
        events, self._events = self._events, []
        return events

    def _part(self, text: str, arguing: bool) -> None:
        if arguing is not self._arguing:
            self._join()
            self._arguing = arguing
        if text:
            self._parts.append(text)

    def _add(self, event: Event) -> None:
        self._join()
        self._events.append(event)

    def _join(self) -> None:
        if self._parts:
            text = self._parts[0] if len(self._parts) == 1 else "".join(self._parts)
            self._events.append(Argued(text) if self._arguing else Said(text))
            self._parts.clear()
