"""What `kinegraph stream` shows: a table that changes in a terminal, or lines of JSON."""

import json
import sys
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from rich.console import Console, Group
from rich.live import Live as LiveDisplay
from rich.table import Table
from rich.text import Text

from kinegraph.inference.events import Event
from kinegraph.inference.streaming.live import Happening, Live, as_object
from kinegraph.inference.streaming.poses import Person
from kinegraph.inference.streaming.session import Session
from kinegraph.inference.streaming.stream import StreamAnswer
from kinegraph.messages import plain_name

Show = Literal["all", "answers", "events"]
EVENTS, BAR = 8, 20  # lines of the table, characters of a full bar


class Screen(Protocol):
    """Takes what happens in each frame."""

    def add(self, happenings: Sequence[Happening], session: Session, name: str) -> None:
        """Show what happened in a frame. name: of the recording."""
        ...


@contextmanager
def screen_for(lines: bool, show: Show, top: int) -> Generator[Screen, None, None]:
    """Lines of JSON where they are wanted or stdout is no terminal, else a table."""
    console = Console()
    if lines or not console.is_terminal:
        yield Lines(show, top)
        return
    with LiveDisplay(console=console, refresh_per_second=10) as display:
        yield Shown(display, show)


class Lines:
    """Each answer, event and repetition as an object on a line of its own, at once."""

    def __init__(self, show: Show, top: int):
        self.show, self.top = show, top

    def add(self, happenings: Sequence[Happening], session: Session, name: str) -> None:
        """Print a line for each."""
        assert session.live is not None, "something happened in a stream"
        for happening in happenings:
            if wanted(happening, self.show):
                print(json.dumps(as_object(happening, session.live.stream, name, self.top), ensure_ascii=False))
        sys.stdout.flush()


def wanted(happening: Happening, show: Show) -> bool:
    """Whether a kind is shown."""
    return show == "all" or isinstance(happening, StreamAnswer) == (show == "answers")


class Shown:
    """A table: one row per person, and the last events below it."""

    def __init__(self, display: LiveDisplay, show: Show):
        self.display, self.show = display, show
        self.answers: dict[Person, StreamAnswer] = {}
        self.events: deque[str] = deque(maxlen=EVENTS)
        self.table = Table()

    def add(self, happenings: Sequence[Happening], session: Session, name: str) -> None:
        """Change the table."""
        assert session.live is not None, "something happened in a stream"
        live, fps = session.live, session.live.stream.fps or 1.0
        for happening in happenings:
            if isinstance(happening, StreamAnswer):
                self.answers[happening.person] = happening
            elif isinstance(happening, Event) and happening.end is not None:
                label = plain_name(live.stream.class_names[happening.label])
                times = f"{happening.start / fps:8.1f} - {happening.end / fps:7.1f} s"
                who = plain_name(happening.person)
                self.events.append(f"{times}  person {who}  {label}  {happening.confidence:.0%}")
        if live.stream.frame >= 0:  # else it has ended: the last table stays
            self.table = self._people(live, f"{plain_name(name)}  {live.stream.frame / fps:.1f} s")
        rows = [self.table] if self.show != "events" else []
        self.display.update(Group(*rows, *map(Text, self.events)))

    def _people(self, live: Live, title: str) -> Table:
        table = Table("person", "class", "probability", "", title=title)
        if live.count:
            table.add_column("repetitions")
        known = live.stream.known()
        for person, answer in self.answers.items():
            if person in known:
                table.add_row(*_row(answer), *_repetitions(live.counts.get(person)) if live.count else ())
        return table


def _row(answer: StreamAnswer) -> tuple[str, ...]:
    probability = answer.prediction.probability
    bar = "█" * round(probability * BAR)
    where = plain_name(answer.person) + (" (lost)" if answer.lost else "")
    unsure = "" if answer.prediction.known else " (rather none of the classes)"
    return where, plain_name(answer.prediction.class_name) + unsure, f"{probability:.0%}", bar


def _repetitions(counting: Any) -> tuple[str]:
    return (f"{counting.count} ({counting.phase:.0%})" if counting is not None else "",)
