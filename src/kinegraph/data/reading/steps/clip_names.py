"""Facts in the names of clips, by a form that the user gives: `{label}_{subject}_{trial}` for walk_S01_2.

A part in braces is a column of `clip_columns`, such as label, subject or camera, or an attribute; {_} is left out. What
stands between must stand in the name. Only the label may have what stands between in it: pick_up_S01_2. Two parts
beside each other are letters and a number: {label}{trial} for walk12. The form is that of the last part of a name, or
of as many folders as it has itself: {subject}/{label}_{trial}.
"""

import re
from collections.abc import Mapping, Sequence

from kinegraph.data.reading.clips.clip_columns import ALIASES
from kinegraph.messages import counted, first_few, quoted

PART = re.compile(r"\{([^{}]*)\}")
LABELS = ("label", *ALIASES["label"])
BETWEEN = re.compile(r"[_\-. ]")
CODES = {  # a letter or word before a number, and the column that it means; data sets write them so
    "subject": r"(?:s|sub|subj|subject|p|person|participant|actor|performer|user|patient|signer|athlete|player)\d+",
    "trial": r"(?:t|trial|r|rep|e|take|episode|n)?\d+",
    "camera": r"(?:c|cam|camera)\d+",
    "label": r"(?:a|act|action|g|gesture)\d+",
}
OF_ROWS = {  # the same of a labels file whose rows name no clips
    **{key: CODES["camera" if key == "view" else key] for key in ("subject", "trial", "camera", "view")},
    "session": r"(?:ses|sess|session|day)\d+",
    "setup": r"(?:setup|set)\d+",
    "replication": CODES["trial"],
}
NUMBERED = re.compile(r"([^\W\d_]*)([-_ ]?)(\d{1,9})")
WORDS = re.compile(r"[^\W\d_]+([_\-. ][^\W\d_]+)*")
LETTERS_AND_NUMBER = re.compile(r"[^\W\d_]+\d+")
TAKEN = ("name", "clip")  # columns of their own
FEWEST = 3  # clips by whose names a form is suggested


def columns_of(form: str) -> list[str]:
    """The columns that a form names. Raises ValueError for a form that names none, or one twice."""
    names = [name for name in PART.findall(form) if name != "_"]
    if not names or re.search(r"[{}]", PART.sub("", form)):
        raise ValueError(
            f"--names is {quoted(form)}, expected parts in braces, such as '{{label}}_{{subject}}_{{trial}}'"
        )
    if wrong := [name for name in names if not name.isidentifier() or names.count(name) > 1 or name.lower() in TAKEN]:
        twice = "is there twice" if names.count(wrong[0]) > 1 else "can be no column; {_} leaves a part out"
        raise ValueError(f"--names {quoted(form)}: {{{wrong[0]}}} {twice}")
    return names


def with_names(table: Mapping[str, Mapping[str, str]], form: str) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The facts of clips with what their names say, and a line on names that are of another form.

    table: what is known of each clip. Raises ValueError where no name is of the form.
    """
    columns = columns_of(form)
    patterns = [_pattern(form, loose) for loose in (False, True)]
    said: dict[str, dict[str, str]] = {}
    for clip in table:
        last = "/".join(clip.split("/")[-1 - form.count("/") :])
        match = next((it for pattern in patterns if (it := pattern.fullmatch(last))), None)
        if match is not None:
            said[clip] = match.groupdict()
    if not said:
        hint = f"; did you mean '{near}'?" if (near := suggested(list(table))) else ""
        raise ValueError(f"no clip has a name of the form {quoted(form)}, they are {first_few(list(table))}{hint}")
    other = [clip for clip in table if clip not in said]
    if {*columns} & {*LABELS}:
        table = {clip: {key: value for key, value in cells.items() if key != "label"} for clip, cells in table.items()}
    found = {clip: {**cells, **dict.fromkeys(columns, ""), **said.get(clip, {})} for clip, cells in table.items()}
    line = f"{counted(len(other), 'name')} of another form than {quoted(form)}: {first_few(other)}"
    return found, [line] if other else []


def _pattern(form: str, loose: bool) -> re.Pattern[str]:
    """A pattern of the form. loose: the label may have in it what stands between parts."""
    pieces = PART.split(form)  # text, part, text, part ... text
    between = "".join(re.escape(sign) for sign in {*"".join(pieces[::2])} if not sign.isalnum())
    plain = f"[^/{between}]" if between else "[^/]"
    found = re.escape(pieces[0])
    for i in range(1, len(pieces), 2):
        name, after = pieces[i], pieces[i + 1]
        each = "[^/]" if loose and name in LABELS else plain
        beside = not after and i + 2 < len(pieces)  # the next part follows at once
        follows = i > 1 and not pieces[i - 1]
        text = r"\d+" if follows else f"{each}*[^/\\d]" if beside else f"{each}+"
        found += (f"(?:{text})" if name == "_" else f"(?P<{name}>{text})") + re.escape(after)
    return re.compile(found)


def key_of(cell: str, column: str) -> int | str:
    """A cell as a value to compare: 1, 01 and, of subjects, S01 are 1; other text is in lower case."""
    return int(cell) if cell.isdecimal() else next(iter(_numbers(cell, column)), cell.casefold())


def keys_in(name: str, column: str) -> set[int | str]:
    """The cells of a column that the name of a clip may say: S01_T2 and subject1/trial2 say subject 1 and trial 2."""
    return {*(word.casefold() for word in re.split(r"[\W_]+", name)), *_numbers(name, column)}


def _numbers(name: str, column: str) -> set[int]:
    """The numbers in a name that stand behind a code of the column, and, of a trial, those behind no code."""
    found = set()
    for letters, between, number in NUMBERED.findall(name):
        bare = between and not any(re.fullmatch(code, f"{letters}1", re.IGNORECASE) for code in OF_ROWS.values())
        if any(
            re.fullmatch(OF_ROWS[column], text, re.IGNORECASE) for text in (letters + number, number if bare else "")
        ):
            found.add(int(number))
    return found


def suggested(names: Sequence[str], labels: Sequence[int | None] = ()) -> str | None:
    """The form that names seem to have, with a label or a subject among its parts; None where they have none.

    labels: of the clips, where they are known. A word that comes back in other classes is then no label but a person.
    """
    last = [name.rpartition("/")[2] for name in names]
    if len(last) < FEWEST:
        return None
    if all(LETTERS_AND_NUMBER.fullmatch(name) for name in last):
        words = [name.rstrip("0123456789") for name in last]
        return f"{{{_meant(words, labels)}}}{{trial}}" if len({*words}) > 1 else None
    parts = [BETWEEN.split(name) for name in last]
    behind = min(map(len, parts)) - 1  # the first part may have in it what stands between, as of pick_up_S01_2
    signs = {tuple(BETWEEN.findall(name)[-behind:]) for name in last}
    if not behind or len(signs) != 1:
        return None
    rows = [
        [name[: len(name) - sum(map(len, each[-behind:])) - behind], *each[-behind:]]
        for name, each in zip(last, parts, strict=True)
    ]
    parts = [*zip(*rows, strict=True)]
    columns = [_column(values) for values in parts]
    actions = [
        column == "label" and values[0][:1].lower() == "a" for column, values in zip(columns, parts, strict=True)
    ]
    if columns.count("label") > 1 and sum(actions) == 1:  # A001_P001_G002: a group beside the action
        columns = [
            "_" if column == "label" and not act else column for column, act in zip(columns, actions, strict=True)
        ]
    if columns.count("word") + columns.count("label") > 1:  # which one is the label?
        return None
    word = _meant(parts[columns.index("word")], labels) if "word" in columns else "word"
    columns = [word if column == "word" else column if columns.count(column) == 1 else "_" for column in columns]
    if columns.count(word) > 1:  # people are named and numbered
        return None
    if not {"label", "subject"} & {*columns}:
        return None
    texts = [column[1:] if column.startswith("=") else f"{{{column}}}" for column in columns]
    return texts[0] + "".join(sign + text for sign, text in zip(signs.pop(), texts[1:], strict=True))


def _meant(words: Sequence[str], labels: Sequence[int | None]) -> str:
    """What words in names are: subjects where most of them are in several classes, else labels."""
    of = (
        {word: {label for other, label in zip(words, labels, strict=True) if other == word} for word in words}
        if labels
        else {}
    )
    return "subject" if of and sum(len(values) > 1 for values in of.values()) > len(of) / 2 else "label"


def _column(values: Sequence[str]) -> str:
    """The column that the parts of names mean: "=text" for one that all have, "word" for a likely label."""
    if len({*values}) == 1:
        return f"={values[0]}" if not {*"{}"} & {*values[0]} else "_"
    for column, code in CODES.items():
        if all(re.fullmatch(code, value, re.IGNORECASE) for value in values):
            return column
    return "word" if all(WORDS.fullmatch(value) for value in values) else "_"
