"""The documentation says what is there: links, commands, the tutorial, the README's Python, pages made of code."""

import importlib.util
import re
import runpy
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from kinegraph.cli import CONFIG_VERBS, VERBS
from kinegraph.commands.arguments import parser_for, read_options
from kinegraph.data.formats import FORMATS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
MADE = {"cli.md", "tutorial.md"}  # when the site is built
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def made():
    """docs/generated.py, which MkDocs runs."""
    spec = importlib.util.spec_from_file_location("generated", ROOT / "docs" / "generated.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(page: Path) -> list[list[str]]:
    """The words of every `kinegraph ...` in the blocks of a page."""
    blocks = "\n".join(text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind in ("", "sh"))
    lines = re.findall(
        r"^\s*kinegraph (?!:)(.*)$", blocks.replace("\\\n", " ").replace("$stream", "bone"), re.MULTILINE
    )
    return [shlex.split(line.partition(" < ")[0], comments=True) for line in lines]  # < FILE is the shell's


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_files_exist(page):
    text = page.read_text(encoding="utf-8")
    links = {link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link}
    assert not {link for link in links - MADE if not (page.parent / link).exists()}
    assert not {path for path in re.findall(r"configs/[\w.-]+\.yaml", text) if not (ROOT / path).exists()}


def anchors(page: Path) -> list[set[str]]:
    """The names that GitHub gives a page's headings, and those that MkDocs gives them."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    plain = [re.sub(r"[^\w\s-]", "", head).strip().lower() for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return [{head.replace(" ", "-") for head in plain}, {re.sub(r"[\s-]+", "-", head) for head in plain}]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_headings_that_links_name_exist(page):
    for link, name in re.findall(r"\]\(([\w./-]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
        target = page.parent / link if link else page
        if target.name not in MADE:
            assert all(name in names for names in anchors(target)), f"{link}#{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_can_be_typed(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for verb, *argv in commands(page):
        if argv and Path(argv[0]).suffix == ".py":
            continue  # another project's config: tests/foreign types these commands
        function, configured = getattr(import_module(f"kinegraph.commands.{verb}"), verb), verb in CONFIG_VERBS
        if configured:  # one that the page writes itself stands in for any
            argv = [
                word if Path(word).exists() or Path(word).suffix != ".yaml" else "configs/small_data.yaml"
                for word in argv
            ]
        alone = argv[1:2] == [] or argv[1].startswith("-")
        if verb == "test" and alone and not Path(argv[0]).suffix:  # a run of the reader, which has its config
            argv = ["configs/small_data.yaml", *argv]
        if "--plugins" in argv:  # files that the page writes itself: its own test runs these commands
            argv = [word for word in argv if word != "--plugins" and Path(word).suffix != ".py"]
        module = import_module(f"kinegraph.commands.{verb}")
        argv = getattr(module, "words", list)(argv)
        read_options(parser_for(function, configured), function, argv, configured)


def test_readme_names_every_verb_and_target():
    text = README.read_text(encoding="utf-8")
    assert {argv[0] for argv in commands(README)} >= {"prepare", "train", "test", "predict", "draw"}
    assert set(re.findall(r"^\| `(\w+)` \| .* \| .* \|$", text, re.MULTILINE)) == set(VERBS)
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test", "docs"} <= set(re.findall(r"\bmake ([\w-]+)", text)) <= targets


def test_tutorial_and_readme_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "docs" / "tutorial.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "no problems found" in printed
    assert float(re.search(r"top1: ([\d.]+)", printed)[1]) > 0.8  # chance is 0.25
    right, asked = map(int, re.search(r"(\d+) of (\d+) unseen clips are right", printed).groups())
    assert right > 0.8 * asked
    for name in ("test/report.html", "test/result.pkl", "strip.png", "player.html", "joints.csv"):
        assert (tmp_path / "tutorial" / name).stat().st_size > 1000

    (tmp_path / "tutorial").rename("demo")  # `make demo` leaves the same folders
    (code,) = [text for kind, text in BLOCK.findall(README.read_text(encoding="utf-8")) if kind == "python"]
    said = {}
    exec(compile(code, "README.md", "exec"), said)
    assert capsys.readouterr().out.startswith(said["prediction"].class_name)
    x = said["clip"].keypoint[None, :, :, :, :]
    assert said["A"].shape[1:] == (x.shape[3],) * 2 == (25, 25)


def test_reference_shows_every_verb(made):
    page = made.cli_page()
    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == list(VERBS)
    assert page.count("\nexamples:\n") == len(VERBS)
    assert "### train --help preprocessing" in page
    assert "augment.mirror" in page


def test_the_table_of_formats_is_that_of_the_code(made):
    page = made.formats_page()
    assert page == made.FORMATS_PAGE.read_text(encoding="utf-8"), "run: python docs/generated.py"
    assert all(f"](#{module.NAME}) | " in page for module in FORMATS)


def test_tutorial_becomes_a_page(made):
    script = "# %% [markdown]\n# # Head\n#\n# Text `# %%`.\n\n# %%\nx = 1  # one\n\n# %% [markdown]\n# * point\n"
    assert made.tutorial_page(script) == "# Head\n\nText `# %%`.\n\n```python\nx = 1  # one\n```\n\n* point\n"
    whole = made.tutorial_page((ROOT / "docs" / "tutorial.py").read_text(encoding="utf-8"))
    assert "# %%\n" not in whole
    assert whole.count("```python\n") > 8
