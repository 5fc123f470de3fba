"""The options of a verb, read from its source: a wrong one is refused before torch is imported, which takes seconds.

Also what the shell completes. The parser in `arguments.py` has the last word on everything.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from kinegraph.messages import nearest

PACKAGE = Path(__file__).parents[1]
SYNONYMS = {  # what people type -> the option it stands for, in a verb that has it
    "data.dataset": "dataset",
    "data.split": "split",
    "lr": "optimizer.lr",
}
DATA_CLASSES = {  # verb -> the data classes of its options: what stands before their names, file, class
    "train": (
        ("", "training/options.py", "TrainOptions"),
        ("preprocessing.", "data/preprocessing.py", "Preprocessing"),
        ("preprocessing.augment.", "data/augment.py", "Augmentation"),
        ("schedule.", "training/optim.py", "Schedule"),
    )
}
READING = "commands/reading.py"  # options that several verbs share
ALIKE = 0.75  # from this likeness on a name is surely meant; else the parser, which knows more names, is asked
PASSING = ("crossval", "sweep")  # verbs that give the words behind -- to `train`
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
    if verb in DATA_CLASSES:
        return tuple(option for place in DATA_CLASSES[verb] for option in _fields(*place))
    body = _definitions(f"commands/{verb}.py")[verb]
    assert isinstance(body, ast.FunctionDef)
    plain = body.args.args
    without_default = len(plain) - len(body.args.defaults)
    words = [_option(it.arg, it.annotation, word=i < without_default) for i, it in enumerate(plain)]
    options = [_option(it.arg, it.annotation) for it in body.args.kwonlyargs]
    shared = body.args.kwarg.annotation if body.args.kwarg else None
    return (*words, *options, *(_unpacked(verb, shared) if shared else ()))


def _unpacked(verb: str, annotation: ast.expr) -> Iterator[Declared]:
    """The options behind `**facts: Unpack[Facts]`, a class of the verb's file or of those that verbs share."""
    name = ast.unparse(annotation.slice if isinstance(annotation, ast.Subscript) else annotation)
    for file in (f"commands/{verb}.py", READING):
        if isinstance(body := _definitions(file).get(name), ast.ClassDef):
            for base in body.bases:
                yield from _unpacked(verb, base)
            yield from _fields("", file, name)


@cache
def _definitions(file: str) -> Mapping[str, ast.stmt]:
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    return {it.name: it for it in tree.body if isinstance(it, ast.FunctionDef | ast.ClassDef)}


def _fields(prefix: str, file: str, name: str) -> Iterator[Declared]:
    body = _definitions(file)[name]
    assert isinstance(body, ast.ClassDef)
    for it in body.body:
        if isinstance(it, ast.AnnAssign) and isinstance(it.target, ast.Name):
            yield _option(f"{prefix}{it.target.id}", it.annotation)


def _option(name: str, annotation: ast.expr | None, word: bool = False) -> Declared:
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Annotated":
        annotation = annotation.slice.elts[0] if isinstance(annotation.slice, ast.Tuple) else annotation
    text = "" if annotation is None else ast.unparse(annotation)
    literals = [it for it in ast.walk(annotation or ast.Constant(None)) if isinstance(it, ast.Subscript)]
    choices = next((it.slice for it in literals if ast.unparse(it.value) == "Literal"), None)
    values = ast.literal_eval(choices) if choices is not None else ()
    values = values if isinstance(values, tuple) else (values,)
    return Declared(name, tuple(map(str, values)), text == "bool", word)


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
            close = _near(name, known, surely=verb in DATA_CLASSES)
            if close is None and verb in DATA_CLASSES:
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
