"""`kinegraph stream WEIGHTS SOURCE`: what people do, while it happens."""

from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kinegraph.atomic import atomic_file
from kinegraph.commands.reading import weights_first
from kinegraph.commands.signature import check_numbers
from kinegraph.screen import anybody_reads, note

if TYPE_CHECKING:  # torch takes seconds to import: not for --help
    from kinegraph.data.formats.json_frame import Frame, Head
    from kinegraph.inference.streaming.session import Write

INTERRUPTED = 130


def stream(
    weights: Path,
    source: str,
    *,
    people: int = 2,
    window: str | None = None,
    stride: str | None = None,
    gap: str | None = None,
    engine: Literal["auto", "exact", "window"] = "auto",
    enter: float = 0.6,
    leave: float | None = None,
    least: str = "0.5s",
    delay: str = "0.2s",
    none: str | None = None,
    count: bool = False,
    show: Literal["all", "answers", "events"] = "all",
    top: int = 1,
    json: bool = False,
    record: Path | None = None,
    speed: float = 1.0,
    listen: bool = False,
    format: str | None = None,
    layout: str | None = None,
    fps: float | None = None,
    image_size: str | None = None,
    pose: str | None = None,
    units: Literal["m", "cm", "mm", "in", "ft", "px", "image", "normalised"] | None = None,
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None,
    map_layout: bool = False,
    skip_broken: bool = False,
    device: str = "auto",
    precision: Literal["32-true", "bf16-mixed"] = "32-true",
    plugins: list[Path] | None = None,
) -> int:
    """Say what people do while it happens: a table in the terminal, or a line of JSON for each answer and event.

    Args:
        weights: a .safetensors file, the name of weights that come with Kinegraph, or an .onnx file of `export`.
        source: - for JSON lines from standard input, tcp://HOST:PORT for those of a program that listens there, 0 for
            the first camera, rtsp://... for one in the network, or a file of any known format, also a video.
        people: that are followed at once.
        window: the time that an answer rests on, in frames or seconds (3s), by default the length of training clips;
            "start" is all since the person came (exact engine).
        stride: of the window engine, from one answer to the next, by default a tenth of a second.
        gap: a person who is away for longer begins anew, by default 1s.
        engine: exact sees each frame once and answers some frames later, window asks about the latest frames again and
            again; auto takes exact where the network allows it.
        enter: probability from which an event begins; below it nothing is recognised.
        leave: probability below which an event ends, by default two thirds of --enter.
        least: events that are shorter are left out.
        delay: time that smoothing may cost.
        none: name of the class of nothing; by default a class called none, nothing, background, no action or idle.
        count: count the repetitions of an exercise that comes back to its first pose.
        show: all, answers or events.
        top: classes of an answer.
        json: print JSON lines on a terminal, too; a pipe always gets them.
        record: also write the frames to a .jsonl file, which this command plays and prepare reads.
        speed: of a file: 1 is its own speed, 2 twice as fast, 0 as fast as possible.
        listen: wait at tcp://HOST:PORT for a program that connects, instead of connecting to it.
        format: name of the file's format (see prepare), where its content does not decide it.
        layout: layout of the joints, a name or a .yaml file, where the source does not say it.
        fps: frames a second, in place of what the source says.
        image_size: width x height in pixels, such as 1920x1080, in place of what the source says.
        pose: of a camera or a video: the estimator of the joints, mediapipe (the default), rtmlib, or FILE.FUNCTION of
            --plugins.
        units: of the coordinates, where the source does not say them (see prepare).
        up: vertical axis of the source (see prepare).
        map_layout: take the joints by name where the source has others, too, or names them as motion capture does.
        skip_broken: leave out lines and clips that cannot be read, and say so, instead of stopping.
        device: cpu, cuda or auto.
        precision: bf16-mixed (or bf16) is faster for many people where a CPU has matrix units for it (AMX); features
            differ by about a hundredth. What it gains and costs here is measured and said.
        plugins: Python files that define the network, where the weights name one of your own.

    Examples:
        kinegraph stream ui-prmd-10 session.csv --speed 0 --show events --count
        pose-estimator --json | kinegraph stream best.safetensors - --fps 30 --image-size 1920x1080
        kinegraph stream best.safetensors 0 --map-layout
        kinegraph stream best.safetensors tcp://127.0.0.1:9000 --listen --record session.jsonl
    """
    check_numbers(people=people, top=top)
    if not 0 <= speed < 1e6:
        raise ValueError(f"--speed is {speed}, expected 0 or more")
    if record is not None and (record.suffix != ".jsonl" or not record.parent.is_dir() or record.is_dir()):
        raise ValueError(f"--record is '{record}', expected a name that ends in .jsonl in a folder that exists")
    from kinegraph.commands.stream_screen import screen_for
    from kinegraph.commands.stream_sources import is_live, paced, played
    from kinegraph.inference.streaming.session import Session
    from kinegraph.inference.trained_network import load_trained

    weights, (path,) = weights_first("stream", weights, [Path(source)])
    source = source if path == Path(source) else str(path)
    if record is not None and not is_live(source):
        raise ValueError(f"--record is for frames that come from a program; {source} is a recording already")
    session = Session(
        load_trained(weights), people=people, window=window, stride=stride, gap=gap, engine=engine, enter=enter,
        leave=leave, least=least, delay=delay, none=none, count=count, layout=layout, fps=fps, image_size=image_size,
        map_layout=map_layout, device=device, note=note, precision=precision, units=units, up=up,
    )  # fmt: skip
    found = played(
        source, dimensions=session.dimensions, layout=session.joints, listen=listen, skip_broken=skip_broken,
        format=format, note=note,
        options={"layout": layout, "fps": fps, "image_size": image_size, "units": units, "up": up,
                 "pose": pose},
    )  # fmt: skip
    with ExitStack() as opened:
        found = opened.enter_context(closing(found))
        screen = opened.enter_context(screen_for(json, show, top))
        write = opened.enter_context(_recorded(record)) if record else None
        for recording in found:
            frames = recording.frames if is_live(source) else paced(recording.frames, session.fps_of(recording), speed)
            for happenings in session.watch(recording, frames, write):
                screen.add(happenings, session, recording.name)
                if write is None and not anybody_reads():
                    return 0
            if session.interrupted:
                return INTERRUPTED
    return 0


@contextmanager
def _recorded(path: Path) -> "Generator[Write, None, None]":
    """A function that writes frames into a .jsonl file, which appears at the end, also where an error is the end."""
    from kinegraph.data.formats.json_frame import Head, frame_line, head_line

    problem: BaseException | None = None
    with atomic_file(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:

        def write(line: "Frame | Head") -> None:
            file.write((head_line(line) if isinstance(line, Head) else frame_line(line)) + "\n")

        try:
            yield write
        except (ValueError, OSError, KeyboardInterrupt) as error:  # what was seen until then cannot be seen again
            problem = error
    if problem is not None:
        raise problem
