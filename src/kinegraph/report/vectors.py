"""Figures of matplotlib as files for papers: SVG and PDF, of lines and letters that stay sharp at any size."""

import io
from typing import Literal

from matplotlib import rc_context
from matplotlib.figure import Figure

VectorKind = Literal["svg", "pdf"]
# Text stays text, to be searched and edited: as such in an SVG, in a TrueType font that a PDF carries.
SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "kinegraph", "pdf.fonttype": 42}
NO_DATE = {"svg": {"Date": None, "Creator": "kinegraph"}, "pdf": {"CreationDate": None, "Creator": "kinegraph"}}


def vector_file(figure: Figure, kind: VectorKind, *, tight: bool = False) -> bytes:
    """The file's content; the same figure gives the same bytes. tight: with what reaches beyond the figure's edges."""
    file, around = io.BytesIO(), {"bbox_inches": "tight", "pad_inches": 0.1} if tight else {}
    with rc_context(SETTINGS):
        figure.savefig(file, format=kind, metadata=NO_DATE[kind], **around)
    return file.getvalue()
