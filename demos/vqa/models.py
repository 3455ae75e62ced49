"""The models that answer questions about pictures: two that ship with Lectern, and the Hub's.

Revisions are commits that public sources name. The models for documents are in `demos.vqa.documents.models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from demos.vqa.documents.models import DOCUMENT_MODELS
from hub.cards import ModelCard
from hub.chat_cards import QWEN3_VL, SMOLVLM2

GROUP = "Pictures"

TABLETOP_PATCHES = "64 patches of a 128 x 128 pixel picture"

# What the embedded models mean by the two words that name nothing in a picture.
TABLETOP_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "nothing": "nothing: the model finds no such thing in this picture, or nothing on that side",
        "unknown": "unknown: the question asks about something this model has never seen; it knows coloured solids on "
        "a table",
    }
)

BIAS = "It repeats the biases of its data, about people most of all, and states guesses as facts."
BLIP_CITATION = "Li et al. 2022, BLIP: Bootstrapping Language-Image Pre-training, arXiv:2201.12086."

PICTURE_MODELS = (
    ModelCard(
        key="blip-tabletop-vqa",
        label="Tabletop VQA (embedded)",
        source="blip-tabletop-vqa",
        group=GROUP,
        task="visual-question-answering",
        family="blip",
        licence="Apache-2.0",
        download_bytes=0,
        memory_bytes=19_200_000,
        knows="Rendered tabletop scenes of coloured solids, and questions about them in many wordings; trained by this "
        "project on nothing else.",
        limits="It only knows tabletop scenes: asked about other things it says no, zero or unknown, and of other "
        f"pictures it speaks as if solids stood on a table. It sees {TABLETOP_PATCHES}, so small or half-hidden solids "
        "are where it errs.",
        citation="This project (training/vqa.py); architecture: Li et al. 2022, BLIP, arXiv:2201.12086.",
    ),
    ModelCard(
        key="blip-tabletop-vqa-early",
        label="Tabletop VQA, early (embedded)",
        source="blip-tabletop-vqa-early",
        group=GROUP,
        task="visual-question-answering",
        family="blip",
        licence="Apache-2.0",
        download_bytes=0,
        memory_bytes=19_200_000,
        knows="The same scenes and questions as Tabletop VQA; its training was stopped after about an eighth of it.",
        limits="It only knows tabletop scenes and makes mistakes on purpose: compare it with the finished model.",
        citation="This project (training/vqa.py); architecture: Li et al. 2022, BLIP, arXiv:2201.12086.",
    ),
    ModelCard(
        key="blip-vqa-base",
        label="BLIP VQA base",
        source="Salesforce/blip-vqa-base",
        group=GROUP,
        task="visual-question-answering",
        family="blip",
        licence="BSD-3-Clause",
        download_bytes=1_540_000_000,
        memory_bytes=1_540_000_000,
        knows="Everyday photos: pretrained on 129 million picture-text pairs, tuned on the questions of VQA v2.",
        limits=f"Answers in one to three words, always, also where the picture does not say; weak at counting and "
        f"reading; English only. {BIAS}",
        citation=BLIP_CITATION,
        batch_limit=16,
        revision="787b3d35d57e49572baabd22884b3d5a05acf072",
    ),
    ModelCard(
        key="blip-vqa-capfilt-large",
        label="BLIP VQA (CapFilt large)",
        source="Salesforce/blip-vqa-capfilt-large",
        group=GROUP,
        task="visual-question-answering",
        family="blip",
        licence="BSD-3-Clause",
        download_bytes=1_540_000_000,
        memory_bytes=1_540_000_000,
        knows="As BLIP VQA base, of the same size, but pretrained on captions that a larger BLIP wrote and filtered.",
        limits=f"As BLIP VQA base: short answers, always, and English only. {BIAS}",
        citation=BLIP_CITATION,
        batch_limit=16,
        revision="e53f95265aeab69013fabb5380500ab984adbbb4",
    ),
    ModelCard(
        key="vilt-b32-vqa",
        label="ViLT (picks from a list)",
        source="dandelin/vilt-b32-finetuned-vqa",
        group=GROUP,
        task="visual-question-answering",
        family="vilt",
        licence="Apache-2.0",
        download_bytes=471_000_000,
        memory_bytes=471_000_000,
        knows="Everyday photos: tuned on VQA v2, whose 3,129 commonest answers are all it can say.",
        limits="It picks from its list, whatever is asked; at most 40 tokens of question; English only. No public "
        f"source says that its repository holds safetensors; where it does not, it is refused. {BIAS}",
        citation="Kim et al. 2021, ViLT: Vision-and-Language Transformer, arXiv:2102.03334.",
        revision="d0a1f6ab88522427a7ae76ceb6e1e1e7b68a1d08",
    ),
    ModelCard(
        key="blip2-opt-2.7b",
        label="BLIP-2 (OPT 2.7B)",
        source="Salesforce/blip2-opt-2.7b",
        group=GROUP,
        task="image-text-to-text",
        family="blip2",
        licence="MIT",
        download_bytes=14_979_000_000,
        memory_bytes=14_979_000_000,
        knows="Photos of the web, read by a frozen language model that gets 32 summaries of the picture.",
        limits=f"Large, and never tuned on questions: it goes on from the word Answer; English only. {BIAS}",
        citation="Li et al. 2023, BLIP-2, arXiv:2301.12597.",
        batch_limit=4,
        revision="59a1ef6c1e5117b3f65523d1c6066825bcf315e3",
    ),
    replace(SMOLVLM2, group=GROUP, limits=f"{SMOLVLM2.limits} {BIAS}"),
    replace(QWEN3_VL, group=GROUP, limits=f"{QWEN3_VL.limits} {BIAS}"),
)

MODELS = (*PICTURE_MODELS, *DOCUMENT_MODELS)
