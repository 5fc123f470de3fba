"""Pages that are made of code: the command line's reference, the tutorial, the gallery, the table of file formats.

MkDocs runs this file as a hook (`hooks` in mkdocs.yml) for the first three, which are not kept. docs/formats.md and the
notebooks of docs/gallery are kept: `python docs/generated.py` writes them, and a test compares them.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from types import ModuleType

from kinegraph.cli import CONFIG_VERBS, VERBS, usage
from kinegraph.commands.arguments import parser_for
from kinegraph.commands.help import help_text, topic_text
from kinegraph.commands.prepare import prepare
from kinegraph.commands.signature import options_of
from kinegraph.data.formats import FORMATS
from kinegraph.data.formats import options_of as options_of_format
from kinegraph.skeleton.layout import JointLayout, layout_names, load_layout

ROOT = Path(__file__).parents[1]
TUTORIAL = Path(__file__).with_name("tutorial.py")
TOPICS = {"train": ("preprocessing", "schedule", "loss", "model")}  # options that `--help TOPIC` explains further
FORMATS_HEAD = """# File formats

Every command and `kg.read` read these files and folders. The format is recognised by the content; `--format NAME`
names it where that is not enough. [Your own recordings](own_data.md) tells which one fits what you have."""
OPTIONS_HEAD = """All formats have the options `--units`, `--up`, `--fps`, `--resample-fps`, `--image-size`,
`--labels-file`, `--class-names`, `--names`, `--val-share`, `--min-score`, `--jumps`, `--fill` and `--smooth`; see
[prepare](cli.md#prepare). Those of one format stand below, with the form of its files."""
LAYOUTS_HEAD = """A layout names the joints of a body and the bones between them. `--layout NAME` or
`--layout FILE.yaml` names one where the files do not."""
OTHER_TESTS = dict.fromkeys(("coco", "alphapose", "mmpose", "yolo"), "formats/test_detections.py")
OTHER_TESTS |= {"folder": "test_dataset.py", "utd_mhad": "formats/test_matlab.py"}
FORMATS_PAGE = ROOT / "docs" / "formats.md"
MARKDOWN = "# %% [markdown]"
WIDE = "---\nhide: [toc]\n---\n\n"  # code needs the width of the list of headings
MARKS = re.compile(r"  # fmt: skip$", re.MULTILINE)  # for our tools, not for readers
GALLERY = Path(__file__).with_name("gallery")
INSTALL = '%pip install --quiet "kinegraph[draw,video]"'
COLAB = "https://colab.research.google.com/#upload=true"


def on_files(files, config):
    """MkDocs asks for this before it reads the pages."""
    from mkdocs.structure.files import File

    pages = {"cli.md": cli_page(), "tutorial.md": tutorial_page(TUTORIAL.read_text(encoding="utf-8"))}
    pages |= {f"gallery/{script.stem}.md": gallery_page(script) for script in sorted(GALLERY.glob("*.py"))}
    for name, page in pages.items():
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


def formats_page() -> str:
    """A table of all formats, and of all layouts, as the code has them."""
    rows = [(f"[{it.NAME}](#{it.NAME})", it.TITLE, _first_line(it.detect), _tests(it)) for it in FORMATS]
    layouts = [(it.name, str(len(it.joints)), _ends(it)) for it in map(load_layout, layout_names())]
    parts = [FORMATS_HEAD, _table(("format", "files", "recognised", "tested with"), rows), OPTIONS_HEAD]
    parts += ["## Layouts", LAYOUTS_HEAD, _table(("layout", "joints", "first and last"), layouts)]
    known = {option.name for option in options_of(prepare)}  # readers also take what is no option of the command line
    for module in FORMATS:
        options = [f"`--{name.replace('_', '-')}`" for name in options_of_format(module) if name in known]
        own = ", ".join(options) or "none of its own"
        parts += [f"## {module.NAME}", f"Options: {own}.", _shown(cleandoc(module.__doc__))]
    return "\n\n".join(parts) + "\n"


def _first_line(function: Callable) -> str:
    return cleandoc(function.__doc__).split("\n")[0]


def _tests(module: ModuleType) -> str:
    name = module.__name__.rpartition(".")[2]
    file = OTHER_TESTS.get(name, f"formats/test_{name}.py")
    if not (ROOT / "tests" / "data" / file).is_file():
        raise ValueError(f"the format {module.NAME} has no test tests/data/{file}")
    return f"`tests/data/{file}`"


def _ends(layout: JointLayout) -> str:
    return f"{layout.joints[0]} ... {layout.joints[-1]}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tutorial_page(script: str) -> str:
    """A script of `# %%` cells as a page: what the Markdown cells say, and the code of the others."""
    return "\n\n".join(_cells(script)) + "\n"


def gallery_page(script: Path) -> str:
    """A script of docs/gallery as a page, with the way to its notebook below the heading."""
    heading, *rest = _cells(script.read_text(encoding="utf-8"))
    title, _, words = heading.partition("\n")
    return WIDE + "\n\n".join([title, _way_to_notebook(script.stem), words.strip(), *rest]) + "\n"


def _way_to_notebook(name: str) -> str:
    return (
        f"[Notebook]({name}.ipynb) · [Open in Colab]({COLAB}), by uploading it there · script `docs/gallery/{name}.py`"
    )


def pictures_in(page: str) -> list[str]:
    return re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page)


def notebook(script: str) -> str:
    """A script of `# %%` cells as the text of an .ipynb file without outputs; its first cell installs Kinegraph."""
    cells = [_notebook_cell(0, "code", INSTALL)]
    cells += [_notebook_cell(number, *cell) for number, cell in enumerate(cells_of(script), start=1)]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


def _notebook_cell(number: int, kind: str, source: str) -> dict[str, object]:
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _cells(script: str) -> Iterator[str]:
    for kind, source in cells_of(script):
        yield source if kind == "markdown" else _shown(source, "python")


def cells_of(script: str) -> Iterator[tuple[str, str]]:
    """A kind, "markdown" or "code", and the source, of each cell of a script."""
    for cell in re.split(r"^(?=# %%)", script, flags=re.MULTILINE):
        mark, _, body = cell.partition("\n")
        if mark.strip() == MARKDOWN:
            yield "markdown", re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip()
        elif body.strip():
            yield "code", MARKS.sub("", body.strip())


def _shown(text: str, language: str = "text") -> str:
    return f"```{language}\n{text}\n```"


if __name__ == "__main__":
    FORMATS_PAGE.write_text(formats_page(), encoding="utf-8")
    for script in GALLERY.glob("*.py"):
        script.with_suffix(".ipynb").write_text(notebook(script.read_text(encoding="utf-8")), encoding="utf-8")
