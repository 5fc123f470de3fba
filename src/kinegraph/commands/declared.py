"""The options of a verb, read from its source: a wrong one is refused before torch is imported, which takes seconds.

Also what the shell completes. The parser in `arguments.py` has the last word on everything.
"""

import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from kinegraph.commands.signature import options_of
from kinegraph.commands.source import verb_of
from kinegraph.messages import nearest

SYNONYMS = {  # what people type -> the option it stands for, in a verb that has it
    "data.dataset": "dataset",
    "data.split": "split",
    "lr": "optimizer.lr",
}
ALIKE = 0.75  # from this likeness on a name is surely meant; else the parser, which knows more names, is asked
PASSING = ("crossval", "sweep")  # verbs that give the words behind -- to `train`
OPEN = ("train",)  # verbs with options of the classes that a config names, which only the parser knows
CONFIGURED = ("train", "test")  # verbs that take configs of other projects
# Words that a verb takes besides its options, before its parser sees them.
BESIDES = {
    "train": ("train-data-path", "test-data-path", "list", "config", "print-config"),
    "test": ("from",),
}


@dataclass(frozen=True)
class Declared:
    """An option. choices: its values, where these are all. flag: it has none. word: it is typed without its name."""

    name: str
    choices: tuple[str, ...] = ()
    flag: bool = False
    word: bool = False


@cache
def declared(verb: str) -> tuple[Declared, ...]:
    """The arguments and options of a verb, in order."""
    return tuple(
        Declared(it.name, tuple(map(str, _choices(it.annotation))), it.annotation is bool, it.word)
        for it in options_of(verb_of(verb))
    )


def _choices(annotation: object) -> Iterator[object]:
    """The words of the Literals in an annotation."""
    for inner in typing.get_args(annotation):
        if typing.get_origin(annotation) is typing.Literal:
            yield inner
        else:
            yield from _choices(inner)


def check_names(verb: str, argv: Sequence[str]) -> None:
    """Raises ValueError for the first word that is no option of the verb, with the nearest one."""
    known = {option.name for option in declared(verb)}
    typed = {name for option in declared(verb) for name in (option.name, f"no_{option.name}")} | {"help"}
    typed |= {name.replace("-", "_") for name in BESIDES.get(verb, ())}
    typed |= {name for name, meant in SYNONYMS.items() if meant.partition(".")[0] in known}
    for word in argv:
        if word == "--":
            return
        name = word.removeprefix("--").partition("=")[0].replace("-", "_").rstrip("+")
        if word.startswith("--") and name not in typed and name.partition(".")[0] not in known:
            if verb in CONFIGURED and _is_of_others(argv):
                return
            close = _near(name, known, surely=verb in OPEN)
            if close is None and verb in OPEN:
                return
            hint = f"; did you mean '{close}'?" if close else ""
            if verb in PASSING and name.partition(".")[0] in {option.name for option in declared("train")}:
                hint = f"; options of kinegraph train follow --, such as kinegraph {verb} ... -- {word}"
            raise ValueError(f"there is no option '{_shown(name)}' of kinegraph {verb}{hint}")


def _is_of_others(argv: Sequence[str]) -> bool:
    """Whether a word is a config of another project, which has options of its own."""
    files = [path for path in map(Path, argv) if path.suffix in (".py", ".yaml", ".yml") and path.is_file()]
    if not files:
        return False
    from kinegraph.foreign.read import is_foreign  # imports numpy

    return any(map(is_foreign, files))


def _near(name: str, known: set[str], surely: bool) -> str | None:
    """The option that is meant, as it is typed."""
    if surely:
        last = {it.rpartition(".")[2]: it for it in sorted(known, reverse=True)}
        close = get_close_matches(name, last, n=1, cutoff=ALIKE)
        return _shown(last[close[0]]) if close else None
    close = nearest(name, known) or next((it for it in sorted(known) if it.startswith(name)), None)
    return _shown(close) if close else None


def _shown(name: str) -> str:
    return name.replace("_", "-")


# ---- what the shell completes ----------------------------------------------------------------------------------------


def completions(verbs: Mapping[str, str], words: Sequence[str], configs: Sequence[str] = ()) -> list[str]:
    """What may stand in the place of the last word. words: those behind `kinegraph`. Empty: a file may stand there."""
    *before, current = words or [""]
    if not before or before == ["help"]:
        return [it for it in sorted({*verbs, *(() if before else ("help", "completion"))}) if it.startswith(current)]
    verb = before[0]
    if verb == "completion":
        return [it for it in ("bash", "zsh", "fish") if it.startswith(current)]
    if verb not in verbs:
        return []
    options = declared(verb)
    if current.startswith("-"):
        names = [f"--{_shown(it.name)}" for it in options if not it.word]
        names += [f"--{name}" for name in ("help", *BESIDES.get(verb, ()))]
        return sorted(it for it in names if it.startswith(current))
    asked = before[-1].removeprefix("--").replace("-", "_")
    values = next((it.choices for it in options if before[-1].startswith("--") and it.name == asked), ())
    if not values and len(before) == 1:
        values = tuple(configs)
    return [it for it in values if it.startswith(current)]


SCRIPTS = {
    "bash": """_kinegraph() {
    local IFS=$'\\n'
    COMPREPLY=($(kinegraph completion --words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    if [ "${#COMPREPLY[@]}" -eq 0 ] && [[ "${COMP_WORDS[COMP_CWORD]}" != --* ]]; then
        COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
        compopt -o filenames 2>/dev/null
    fi
}
complete -F _kinegraph kinegraph
""",
    "zsh": """#compdef kinegraph
_kinegraph() {
    local -a found
    found=("${(@f)$(kinegraph completion --words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    found=(${found:#})
    if (( $#found )); then compadd -a found; else _files; fi
}
compdef _kinegraph kinegraph
""",
    "fish": """function __kinegraph
    set -l words (commandline -opc) (commandline -ct)
    kinegraph completion --words $words[2..-1] 2>/dev/null
end
complete -c kinegraph -a '(__kinegraph)'
""",
}
