"""`kinegraph serve WEIGHTS`: a page and an interface for programs that say what people do."""

import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from kinegraph.commands.signature import check_numbers
from kinegraph.plugins import plugin_files

MISSING = 'a server needs starlette, uvicorn and websockets: pip install "kinegraph[serve]"'


def serve(
    weights: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    name: list[str] | None = None,
    max_upload: int = 200,
    job_time: int = 120,
    people: int = 2,
    window: str | None = None,
    stride: str | None = None,
    gap: str | None = None,
    enter: float = 0.6,
    leave: float | None = None,
    least: str = "0.5s",
    delay: str = "0.2s",
    none: str | None = None,
    count: bool = False,
    pose: str | None = None,
    device: str = "auto",
    engine: Literal["torch", "auto", "onnxruntime", "openvino"] = "torch",
    plugins: list[Path] | None = None,
) -> None:
    """Answer recordings, a camera or the frames of a program on a page; programs ask by HTTP and a socket.

    Nothing is fetched from elsewhere, and nothing is kept: an upload is deleted when it is answered.

    Args:
        weights: a .safetensors file, the name of weights that come with Kinegraph, or an .onnx file of `export`.
        host: address to listen at; any other than this machine's own needs --token.
        port: 0 takes a free one.
        token: a word that every request has to carry.
        name: names of this machine in the network or of a proxy in front of it, by which pages may ask.
        max_upload: megabytes of a file.
        job_time: seconds that a recording may take.
        people: that are followed at once in a stream.
        window: the time that an answer to a stream rests on, see `kinegraph stream`.
        stride: from one answer to a stream to the next, by default a tenth of a second (window engine).
        gap: a person who is away from a stream for longer begins anew, by default 1s.
        enter: probability from which an event begins; leave, least, delay and none: see `kinegraph stream`.
        leave: see `kinegraph stream`.
        least: see `kinegraph stream`.
        delay: see `kinegraph stream`.
        none: see `kinegraph stream`.
        count: count the repetitions of an exercise.
        pose: of cameras and videos: mediapipe (the default), rtmlib, or FILE.FUNCTION of --plugins.
        device: cpu, cuda or auto.
        engine: what computes recordings and the windows of streams; auto measures once which is the fastest on this
            machine, see `kinegraph predict`. Streams of the exact engine are computed by torch.
        plugins: Python files that define the network or an estimator of your own.

    Examples:
        kinegraph serve ui-prmd-10
        kinegraph serve best.safetensors --port 8080 --count
        kinegraph serve best.safetensors --host 0.0.0.0 --token "$(openssl rand -hex 16)"
    """
    check_numbers(max_upload=max_upload, job_time=job_time, people=people)
    check_numbers(0, port=port)
    if port > 65535:
        raise ValueError(f"port is {port}, expected at most 65535")
    if token is not None and (len(token) < 8 or not token.isascii() or not token.isprintable() or " " in token):
        raise ValueError("--token is too short or holds blanks, expected 8 letters and digits or more")
    if token is None and not _is_own(host):
        raise ValueError(f"--host {host} lets other machines ask: give --token WORD, which they have to send")
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        raise ValueError(f"{MISSING} ({error})") from None
    from kinegraph.inference.streaming.session import Session
    from kinegraph.inference.trained_network import load_trained
    from kinegraph.serve.app import Server
    from kinegraph.serve.jobs import Jobs
    from kinegraph.serve.recordings import work
    from kinegraph.serve.run import computed_by, estimator_or_reason, run
    from kinegraph.serve.streams import StreamAsking

    known = load_trained(weights)
    streamed = known if engine == "torch" else computed_by(known, device, engine, _say)

    def make(asking: StreamAsking) -> Session:
        return Session(
            streamed, people=asking.people, window=window, stride=stride, gap=gap, engine="auto", enter=enter,
            leave=leave, least=least, delay=delay, none=none, count=asking.count, layout=asking.layout, fps=asking.fps,
            image_size=asking.image_size, map_layout=asking.map_layout, device=device, note=lambda _: None,
            units=asking.units, up=asking.up,
        )  # fmt: skip

    make(StreamAsking(people=people, count=count))  # what is wrong in the options is said before anybody asks
    files = [str(file.resolve()) for file in plugin_files()]
    jobs = Jobs(work, (str(weights), device, engine, files, pose), seconds=job_time)
    server = Server(
        known, Path(weights).stem, make, jobs, estimator_or_reason(pose), host=host, names=tuple(name or ()),
        token=token, max_upload=max_upload * 1_000_000, usual={"people": people, "count": count},
    )  # fmt: skip
    run(server, port, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _is_own(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
