"""`kinegraph VERB ...`: finds the verb's module, calls its one function, turns wrong input into one clear line."""

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from importlib import import_module

from kinegraph.messages import CONTROL, did_you_mean, fetch_first, one_line
from kinegraph.screen import Warnings, patient_output

# verb -> (function of kinegraph.commands.<verb> of the same name, what `kinegraph --help` says about it)
VERBS = {
    "synthesize": "write synthetic recordings in NTU RGB+D's raw format",
    "prepare": "raw files -> dataset folder",
    "inspect": "say what a dataset, raw files, a pickle or a checkpoint are, and what is wrong with them",
    "convert": "dataset folder or checkpoint <-> the files of other projects",
    "train": "train a network as a config says",
    "crossval": "train and test in folds: every clip is tested by a network that did not see its subject",
    "sweep": "search options of a config: trials on folds of the training part, by optuna",
    "test": "measure a trained network on a split: metrics, result file, report",
    "predict": "say what is done in recordings: a clip, each person in it, or when in a long one",
    "stream": "say what people do while it happens: frames from a program, a camera or a file that is played",
    "serve": "a page where recordings, a camera or a program's frames are answered; HTTP and a socket for programs",
    "calibrate": "probabilities that say how often answers are right, by the result of clips not trained on",
    "draw": "a clip as a page that plays it, a video or a film strip; with what a network says of it",
    "embed": "clips -> vectors: what a network knows of each before it names a class",
    "enroll": "new classes from a few examples each, in seconds: a new head on a trained network",
    "explain": "which joints a network's answers rest on, over a whole split",
    "report": "a page about a run or a test, or several compared",
    "export": "weights -> an ONNX file that runs without torch",
    "fuse": "result files of several networks on the same clips -> their weighted mean",
}

# Set where another process started this one: torchrun or a run on several devices, a sweep or a cross-validation.
STARTED_BY = {"LOCAL_RANK", "KINEGRAPH_PART"}
CONFIG_VERBS = ("train",)  # their options may stand in a YAML file, given first


def main(argv: list[str] | None = None) -> int:
    """Run one verb. Returns the exit code: 0 or the verb's own, or 2 for wrong input, or 130 when interrupted."""
    with patient_output() as lost:
        code = _answer(list(sys.argv[1:] if argv is None else argv))
    if code or not lost:
        return code
    with patient_output():  # stderr may lie on the same full disk
        return _complain(f"not all that was printed could be written: {lost[0].strerror.lower()}")


def _answer(argv: list[str]) -> int:
    if argv[:1] == ["completion"]:
        return _complete(argv[1:])
    quiet, argv = _without(argv, "-q", "--quiet")
    verbose, argv = _without(argv, "-v", "--verbose")
    if argv[:1] == ["help"]:
        argv = [*argv[1:2], "--help", *argv[2:]]
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())
        return 0
    if argv[0] in ("-V", "--version"):
        from kinegraph import __version__

        print(f"kinegraph {__version__}")
        return 0
    if STARTED_BY & os.environ.keys():
        _end_with_launcher()
    verb = argv.pop(0)
    if verb not in VERBS:
        return _complain(f"no command '{verb}'{did_you_mean(verb, VERBS) or '; see kinegraph --help'}")
    try:
        with _ended_as_by_ctrl_c(), redirect_stderr(Warnings(sys.stderr)) if quiet else nullcontext():
            return run_verb(verb, argv)
    except (ValueError, OSError) as error:  # wrong input
        if verbose or os.environ.get("KINEGRAPH_TRACEBACK"):
            raise
        return _complain(_in_plugin(error) or _one_line(error))
    except MemoryError as error:
        return _complain(f"not enough memory: {_one_line(error)}")
    except KeyboardInterrupt:
        return _complain("interrupted", code=130)
    except Exception as error:  # of a plugin; any other is our mistake and shows its traceback
        if verbose or os.environ.get("KINEGRAPH_TRACEBACK") or not (line := _in_plugin(error)):
            raise
        return _complain(line)


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM, which schedulers send, and SIGHUP of a closed terminal end a command as Ctrl-C does.

    Half-written files are cleared away. What nohup made ignored stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():  # elsewhere Python allows no handlers
        yield
        return
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _without(argv: list[str], *names: str) -> tuple[bool, list[str]]:
    """Whether one of these words is there, and the other words; what follows `--` is not looked at."""
    end = argv.index("--") if "--" in argv else len(argv)
    rest = [word for word in argv[:end] if word not in names]
    return len(rest) < end, [*rest, *argv[end:]]


def _complete(words: list[str]) -> int:
    """`kinegraph completion SHELL`: the script for a shell, which calls `kinegraph completion --words ...`."""
    from kinegraph.commands.completion import SCRIPTS, completions
    from kinegraph.commands.configs import named_configs

    if words[:1] == ["--words"]:
        configs = list(named_configs()) if words[1:2] in (["train"], ["crossval"], ["sweep"], ["test"]) else []
        print("\n".join(completions(VERBS, words[1:], configs)))
        return 0
    if len(words) != 1 or words[0] not in SCRIPTS:
        found = f"found '{' '.join(words)}'" if words else "found nothing"
        return _complain(f"completion is for one of {', '.join(SCRIPTS)}, {found}; see kinegraph help")
    print(SCRIPTS[words[0]], end="")
    return 0


def usage() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {summary}" for verb, summary in VERBS.items()]
    return "\n".join(
        ["usage: kinegraph COMMAND ...", "", "Recognise actions from skeleton sequences.", "", *lines, ""]
        + [
            "kinegraph help COMMAND, or COMMAND --help, lists its options.",
            "With any command: -q, --quiet shows no progress, only results and warnings; -v, --verbose shows where in",
            "the program an error comes from.",
            'Completion by the tab key: eval "$(kinegraph completion bash)" in ~/.bashrc; also zsh and fish.',
        ]
    )


def run_verb(verb: str, argv: list[str]) -> int:
    """Parse argv by the signature of the verb's function and call it. Only this verb's module is imported.

    A verb's own exit code, where it returns one, becomes the command's.
    """
    from kinegraph.commands.signature import check_names, check_needed, help_topic, verb_of

    check_names(verb, argv)  # before the verb's module, and with it perhaps torch, is imported
    if verb in CONFIG_VERBS and argv:
        from kinegraph.commands.configs import SUFFIXES, find_config, list_of_configs

        if "--list" in argv:
            print(list_of_configs())
            return 0
        # `main.py recognition -c CONFIG` is typed so
        named = not argv[0].startswith("-") and not {"-c", "--config"} & set(argv)
        if named and ((config := find_config(argv[0])).suffix in SUFFIXES or config.is_dir()):
            from kinegraph.commands.configs import config_values

            config_values(config)  # a file that cannot be a config is refused before torch is imported
    if help_topic(argv) is not None:
        from kinegraph.commands.help import answer_help

        answer_help(verb_of(verb), argv, verb in CONFIG_VERBS)
    if verb not in CONFIG_VERBS:
        check_needed(verb, argv)
    module = import_module(f"kinegraph.commands.{verb}")
    function, words = getattr(module, verb), getattr(module, "words", list)
    from kinegraph.commands.arguments import answer

    # numpy's words on values that are not finite or too large: readers and checks name the clip.
    warnings.filterwarnings("ignore", "(invalid value|overflow) encountered", RuntimeWarning)
    result = answer(function, words(argv), from_config=verb in CONFIG_VERBS)
    return result if isinstance(result, int) else getattr(result, "exit_code", 0)


def _end_with_launcher() -> None:
    """End this process soon after the one that started it; a launcher that is killed cannot stop its processes.

    They would wait for each other, half an hour or for ever, and keep their GPUs.
    """
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _in_plugin(error: Exception) -> str:
    """What went wrong in a file of the user's own, with its place; "" where it was elsewhere."""
    from kinegraph.plugins import place_in_plugin

    place = place_in_plugin(error)
    return f"{place}: {type(error).__name__}: {one_line(error)}; -v shows all of it" if place else ""


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.strerror.lower()}{fetch_first(error.filename)}"
        return f"{error.filename}: {reason}" if error.filename else error.strerror
    return str(error)


def _complain(message: str, code: int = 2) -> int:
    print(f"kinegraph: {CONTROL.sub(' ', message)}", file=sys.stderr)  # it may quote a stranger's file
    return code


if __name__ == "__main__":
    sys.exit(main())
