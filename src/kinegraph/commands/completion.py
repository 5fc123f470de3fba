"""What the shell completes at the tab key, and the script for each shell."""

from collections.abc import Mapping, Sequence

from kinegraph.commands.signature import BESIDES, declared, typed_name


def completions(verbs: Mapping[str, str], words: Sequence[str], configs: Sequence[str] = ()) -> list[str]:
    """What may stand in the place of the last word. words: those behind `kinegraph`. Empty: a file may stand there."""
    *before, current = words or [""]
    if not before or before == ["help"]:
        first = {*verbs} if before else {*verbs, "help", "completion"}
        return [word for word in sorted(first) if word.startswith(current)]
    verb = before[0]
    if verb == "completion":
        return [shell for shell in ("bash", "zsh", "fish") if shell.startswith(current)]
    if verb not in verbs:
        return []
    options = declared(verb)
    if current.startswith("-"):
        names = [f"--{typed_name(option.name)}" for option in options if not option.word]
        names += [f"--{name}" for name in ("help", *BESIDES.get(verb, ()))]
        return sorted(name for name in names if name.startswith(current))
    asked = before[-1].removeprefix("--").replace("-", "_")
    values = next((option.choices for option in options if before[-1].startswith("--") and option.name == asked), ())
    if not values and len(before) == 1:
        values = tuple(configs)
    return [value for value in values if value.startswith(current)]


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
