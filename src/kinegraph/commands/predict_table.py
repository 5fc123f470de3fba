"""The answers of `kinegraph predict` on the screen: rows as soon as they are known, then how many are right."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from kinegraph.inference.answers import Answer
from kinegraph.inference.inputs import Question
from kinegraph.messages import plain_name, shortened

WIDEST = 40  # characters; longer names of classes push their row, of clips lose their middle
ROOM = 4  # for names longer than the first
TIME = 19


class AnswerTable:
    """Prints answers and counts them. top: classes shown of each."""

    def __init__(self, console: Console, class_names: Sequence[str], top: int, *, per_person: bool, timeline: bool):
        self.console, self.top, self.per_person, self.timeline = console, top, per_person, timeline
        self.clip_width, self.class_width = 12, max(len("class"), *(min(len(name), WIDEST) for name in class_names))
        self.last: Question | None = None
        self.answers = self.shown = self.right = self.wrong = self.unknown = 0

    def add(self, answer: Answer, show: bool = True) -> None:
        """Count an answer, and print it."""
        self.answers += 1
        self.right += answer.right is True
        self.wrong += answer.right is False
        self.unknown += answer.right is None and answer.question.truth is not None
        if show:
            self._print(answer)

    def finish(self, out: Path | None, synthetic: bool = False) -> None:
        """Print what is not in the rows: how many there are, how many are right, where they are."""
        say = self.console.print
        if self.answers > self.shown:
            say(f"... and {self.answers - self.shown:,} more")
        judged = self.right + self.wrong
        if judged > 1 and not self.timeline:
            of = "synthetic recordings are" if synthetic else "are"
            say(f"accuracy {self.right / judged:.1%}: {self.right:,} of {judged:,} {of} right")
        if self.unknown and not self.timeline:
            say(f"{self.unknown:,} are of classes that the network does not know")
        if out:
            say(f"{self.answers:,} answers in {out}")

    def _print(self, answer: Answer) -> None:
        question = answer.question
        name = plain_name(question.clip.name or Path(question.source).name)
        if self.last is None:
            self.clip_width = min(max(self.clip_width, len(name) + ROOM), WIDEST)
            self.console.print(Text(self._row("clip", "person", "time", "class") + "  probability", "bold"))
        name = "" if self.last is question else shortened(name, self.clip_width)
        for place, (of_class, probability) in enumerate(answer.prediction.top(self.top)):
            first = place == 0
            where = (name, str(answer.person), _time(answer)) if first else ("", "", "")
            line = Text(self._row(*where, ""), "bold" if first else "")
            line.append(f"{plain_name(of_class):<{self.class_width}}", "bold" if first else "")
            line.append(f"{probability:13.1%}")
            if first and not self.timeline:
                line.append(*_verdict(answer))
            self.console.print(line)
        self.last, self.shown = question, self.shown + 1

    def _row(self, clip: str, person: str, time: str, of_class: str) -> str:
        cells = f"{clip:<{self.clip_width}}  "
        cells += f"{person:>6}  " if self.per_person else ""
        cells += f"{time:<{TIME}}  " if self.timeline else ""
        return cells + (f"{of_class:<{self.class_width}}" if of_class else "")


def _time(answer: Answer) -> str:
    if answer.seconds is None:
        return f"frames {answer.start}-{answer.stop - 1}"
    start, end = answer.seconds
    return f"{start:7.2f} -{end:8.2f} s"


def _verdict(answer: Answer) -> tuple[str, str]:
    """What is known of the truth, and its colour."""
    if answer.question.truth is None:
        return "", ""
    truth = plain_name(answer.question.truth)
    if answer.right is None:
        return f"  it is {truth}, which the network does not know", "yellow"
    return ("  right", "green") if answer.right else (f"  wrong, it is {truth}", "red")
