"""The models behind "Documents": one that needs no download, and the Hub's.

Revisions are commits that public sources name. Where none does the revision is `main`, and a card without safetensors
there is refused when it is fetched.
"""

from __future__ import annotations

from hub.cards import ModelCard

GROUP = "Documents"
ONE_PAGE = 1  # pages are read one after the other in any case, and one without text must not spoil its neighbours' run

DOCUMENT_MODELS = (
    ModelCard(
        key="ocr-lines",
        label="Read and search (OCR, embedded)",
        source="rapidocr",
        package="rapidocr",
        group=GROUP,
        batch_limit=ONE_PAGE,
        task="document-question-answering",
        family="ocr-lines",
        licence="Apache-2.0",
        download_bytes=0,
        memory_bytes=325_000_000,  # measured: what the process grows by when it reads a first page
        knows="Printed text in Chinese, English, Japanese and 46 languages in Latin letters: PP-OCR networks (PP-OCRv6 "
        "small, and an older one for text on its head) by the PaddleOCR authors, which RapidOCR ships in its package.",
        limits="It reads, and then only searches: it lists the lines that share words with the question, and "
        "understands neither. A question in other words than the page's finds nothing. Handwriting, formulas and "
        "charts are beyond it; columns of running text are read across.",
        citation="PaddleOCR authors, PP-OCRv6; converted and packaged by the RapidOCR authors (rapidocr 3.10.0). "
        "Cui et al. 2025, PaddleOCR 3.0 Technical Report, arXiv:2507.05595.",
    ),
    ModelCard(
        key="layoutlm-document-qa",
        label="LayoutLM (marks the answer)",
        source="impira/layoutlm-document-qa",
        group=GROUP,
        batch_limit=ONE_PAGE,
        task="document-question-answering",
        family="layoutlm",
        licence="MIT",
        download_bytes=514_000_000,
        memory_bytes=512_000_000,
        knows="Forms, letters and invoices in English: tuned on SQuAD 2.0 and DocVQA. It sees the words that RapidOCR "
        "read and where they stand, not the picture.",
        limits="It can only mark words that stand on the page, side by side: it does not add up, compare or conclude. "
        "What the OCR misreads, it misreads. English only.",
        citation="Impira 2022, LayoutLM for Visual Question Answering; Xu et al. 2020, LayoutLM, arXiv:1912.13318.",
        revision="beed3c4d02d86017ebca5bd0fdf210046b907aa6",  # the default of transformers' pipeline for this task
    ),
    ModelCard(
        key="donut-docvqa",
        label="Donut (reads without OCR)",
        source="naver-clova-ix/donut-base-finetuned-docvqa",
        group=GROUP,
        batch_limit=ONE_PAGE,
        task="document-question-answering",
        family="donut",
        licence="MIT",
        download_bytes=809_000_000,
        memory_bytes=809_000_000,
        knows="Scanned business documents in English, tuned on DocVQA; it goes from pixels to the answer.",
        limits="It always answers, also when the page does not say. Slow without a GPU (a page is 2560 x 1920 pixels "
        "to it), and weak on pages unlike DocVQA's. English only.",
        citation="Kim et al. 2022, OCR-free Document Understanding Transformer (Donut), arXiv:2111.15664.",
    ),
    ModelCard(
        key="deplot",
        label="DePlot (chart to table)",
        source="google/deplot",
        group=GROUP,
        batch_limit=ONE_PAGE,
        task="image-to-text",
        family="deplot",
        licence="Apache-2.0",
        download_bytes=1_130_000_000,
        memory_bytes=1_130_000_000,
        knows="Bar, line and pie charts: it writes the table of numbers behind them.",
        limits="It never sees the question: it makes the table, and you read the answer off it. Numbers without a "
        "label in the chart are estimates; colours and charts of other kinds are lost. Slow without a GPU.",
        citation="Liu et al. 2023, DePlot: One-shot visual language reasoning by plot-to-table translation, "
        "arXiv:2212.10505.",
    ),
    ModelCard(
        key="nougat-base",
        label="Nougat (page to Markdown)",
        source="facebook/nougat-base",
        group=GROUP,
        batch_limit=ONE_PAGE,
        task="image-to-text",
        family="nougat",
        licence="CC-BY-NC-4.0",
        download_bytes=1_400_000_000,
        memory_bytes=1_400_000_000,
        knows="Pages of scientific papers in English, with formulas and tables, which it writes as Markdown.",
        limits="Non-commercial use only (CC-BY-NC-4.0). It never sees the question: it transcribes the page. It may "
        "repeat itself or invent text, most of all on pages that are not of a paper, and is slow without a GPU.",
        citation="Blecher et al. 2023, Nougat: Neural Optical Understanding for Academic Documents, arXiv:2308.13418.",
    ),
)
