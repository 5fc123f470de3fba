"""JSON, JSON lines and XML as one kind of tree: objects, lists, texts and numbers.

An XML element is an object of its attributes and children, without name spaces; children of one name are a list, and
an element without either is its text. XML with a DOCTYPE is refused: it could stand for more than it holds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from kinegraph.data.reading.clips.clip_files import text_of
from kinegraph.messages import one_line
from kinegraph.safe_io import DEEPEST, parsed_json

Tree = Any  # Mapping[str, Tree] | list[Tree] | str | float | bool | None


def read_tree(file: Path) -> Tree:
    """The content of a .json, .jsonl, .txt or .xml file. Raises ValueError that names the file."""
    text = text_of(file)
    if text.lstrip()[:1] == "<":
        return _of_xml(text, file)
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].rstrip().endswith("}") and lines[1].lstrip().startswith("{"):
        return [parsed_json(line, f"{file} line {number}") for number, line in enumerate(lines, 1)]
    return parsed_json(text, file)


def _of_xml(text: str, file: Path) -> Tree:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError(f"{file} has a DOCTYPE, which is not read; leave it out")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not readable XML: {one_line(error)}") from None
    return {_tag(root.tag): _tree(root, file, 0)}


def _tree(element: ElementTree.Element, file: Path, depth: int) -> Tree:
    if depth > DEEPEST:
        raise ValueError(f"{file} is not readable XML: it is nested too deeply")
    if not len(element) and not element.attrib:
        return (element.text or "").strip()
    found: dict[str, Tree] = {_tag(name): value for name, value in element.attrib.items()}
    for child in element:
        name, value = _tag(child.tag), _tree(child, file, depth + 1)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    if not len(element) and (text := (element.text or "").strip()):
        found["text"] = text
    return found


def _tag(name: str) -> str:
    return name.rpartition("}")[2]


def members(tree: Tree) -> dict[str, Tree]:
    """The members of an object by their names in small letters, without _ and blanks; {} for anything else."""
    if not isinstance(tree, Mapping):
        return {}
    return {"".join(filter(str.isalnum, str(name))).lower(): value for name, value in tree.items()}
