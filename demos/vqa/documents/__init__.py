"""Questions about documents and charts: models that read a page first, or write down what is on it.

Like the families for pictures, each loads from local files only and keeps the face of `demos.vqa.families.face`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.vqa.documents.chart import DePlot
from demos.vqa.documents.donut import Donut
from demos.vqa.documents.layout import LayoutLM
from demos.vqa.documents.models import DOCUMENT_MODELS
from demos.vqa.documents.nougat import Nougat
from demos.vqa.documents.ocr_lines import OcrLines
from demos.vqa.documents.snippet import document_snippet

if TYPE_CHECKING:
    from demos.vqa.families.face import Family

__all__ = ["DOCUMENT_FAMILIES", "DOCUMENT_MODELS", "document_snippet"]

DOCUMENT_FAMILIES: dict[str, Callable[[Path, str, Any], Family]] = {
    "ocr-lines": OcrLines,
    "layoutlm": LayoutLM,
    "donut": Donut,
    "deplot": DePlot,
    "nougat": Nougat,
}
