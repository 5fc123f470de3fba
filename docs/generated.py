"""Pages of the site that are made of code when it is built: the command line's reference and the tutorial.

MkDocs runs this file as a hook (`hooks` in mkdocs.yml). Nothing it makes is kept, so nothing can grow old.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from kinegraph.cli import CONFIG_VERBS, VERBS, usage
from kinegraph.commands.arguments import options_of, parser_for
from kinegraph.commands.help import help_text, topic_text

TUTORIAL = Path(__file__).with_name("tutorial.py")
TOPICS = {"train": ("preprocessing", "schedule", "loss", "model")}  # options that `--help TOPIC` explains further
MARKDOWN = "# %% [markdown]"


def on_files(files, config):
    """MkDocs asks for this before it reads the pages."""
    from mkdocs.structure.files import File

    for name, page in (("cli.md", cli_page()), ("tutorial.md", tutorial_page(TUTORIAL.read_text(encoding="utf-8")))):
        files.append(File.generated(config, name, content=page))
    return files


def cli_page() -> str:
    """What `kinegraph --help` and `kinegraph VERB --help` print, verb after verb."""
    parts = ["# Command line", _shown(usage())]
    for verb in VERBS:
        function = getattr(import_module(f"kinegraph.commands.{verb}"), verb)
        from_config = verb in CONFIG_VERBS
        parts += [
            f"## {verb}",
            _shown(help_text(function, parser_for(function, from_config).usage, from_config)),
        ]
        known = {option.name for option in options_of(function)}
        for topic in TOPICS.get(verb, ()):
            if topic not in known:
                raise ValueError(f"kinegraph {verb} has no option {topic} to explain")
            parts += [f"### {verb} --help {topic}", _shown(topic_text(function, topic))]
    return "\n\n".join(parts) + "\n"


def tutorial_page(script: str) -> str:
    """A script of `# %%` cells as a page: what the Markdown cells say, and the code of the others."""
    return "\n\n".join(_cells(script)) + "\n"


def _cells(script: str) -> Iterator[str]:
    for cell in re.split(r"^(?=# %%)", script, flags=re.MULTILINE):
        mark, _, body = cell.partition("\n")
        if mark.strip() == MARKDOWN:
            yield re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip()
        elif body.strip():
            yield _shown(body.strip(), "python")


def _shown(text: str, language: str = "text") -> str:
    return f"```{language}\n{text}\n```"
