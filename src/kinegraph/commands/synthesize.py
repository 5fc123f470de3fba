"""kinegraph synthesize: a folder of synthetic recordings in NTU RGB+D's raw format."""

from pathlib import Path
from shlex import quote

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kinegraph.commands.signature import check_numbers
from kinegraph.messages import counted, megabytes
from kinegraph.synthetic.recordings import write_recordings


def synthesize(
    out: Path,
    clips: int = 600,
    seed: int = 0,
    actions: list[int] | None = None,
    subjects: list[int] | None = None,
    workers: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write synthetic recordings as raw NTU RGB+D `.skeleton` files, to try everything without data.

    Args:
        out: folder to write; it must not exist yet or be empty.
        clips: how many recordings, 50 to 56880.
        seed: the same seed gives the same bytes.
        actions: NTU's action numbers; by default all that the model performs: 1 drink water, 6 pick up, 8 sit down,
            9 stand up, 10 clap, 22 cheer up, 23 wave, 24 kick, 26 hop, 27 jump up, 28 phone, 31 point, 35 bow,
            38 salute, 43 fall; of two people 50 punch, 55 hug, 58 shake hands, 59 walk together, 60 walk apart.
        subjects: performers, 1 to 40; by default all.
        workers: processes; by default one a core.
        overwrite: replace a folder of synthetic recordings.

    Examples:
        kinegraph synthesize raw
        kinegraph synthesize raw --clips 960 --actions 8 9 23 27 --seed 1
    """
    check_numbers(0, workers=workers)
    columns = (TextColumn("synthesizing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    terminal = Console(stderr=True)
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        task = progress.add_task("", total=clips)
        done = write_recordings(
            out,
            clips=clips,
            seed=seed,
            actions=actions,
            subjects=subjects,
            workers=workers,
            overwrite=overwrite,
            on_written=lambda more: progress.advance(task, more),
        )
    Console(soft_wrap=True).print(
        f"{done.clips} [bold]synthetic[/bold] recordings ({megabytes(done.bytes, 0)}) of "
        f"{counted(len(done.actions), 'action')} by {counted(len(done.subjects), 'subject')} in {escape(str(out))}\n"
        "They come from a kinematic model: results on them say nothing about people.\n"
        f"next: kinegraph prepare {escape(quote(str(out)))} DATASET"
    )
