"""The models the captioning tab offers: two that ship with Lectern, and the Hub's.

Revisions are commits that public sources name. The `main` branch of three repositories holds only pickled weights;
there the revision is the commit (or the pull request) in which the Hub's conversion bot added the safetensors file.
"""

from __future__ import annotations

from dataclasses import replace

from hub.cards import ModelCard
from hub.chat_cards import QWEN3_VL, SMOLVLM2

TABLETOP_TOKENS = 72  # places the embedded model's decoder has, prompt included
TABLETOP_PATCHES = "64 patches of a 128 x 128 pixel picture"

BIAS = "It repeats the biases of its web data, about people most of all, and states guesses as facts."

MODELS = (
    ModelCard(
        key="blip-tabletop",
        label="Tabletop BLIP (embedded)",
        source="blip-tabletop",
        task="image-to-text",
        family="blip",
        licence="Apache-2.0",
        download_bytes=0,
        memory_bytes=11_300_000,
        knows="Rendered tabletop scenes with one to four coloured solids; trained by this project on nothing else.",
        limits="It only knows tabletop scenes: of anything else it speaks as if solids stood on a table. Five or six "
        f"solids are outside what it was trained on. It sees {TABLETOP_PATCHES}, so small or half-hidden solids are "
        "where it errs.",
        citation="This project (training/captioner.py); architecture: Li et al. 2022, BLIP, arXiv:2201.12086.",
    ),
    ModelCard(
        key="blip-tabletop-early",
        label="Tabletop BLIP, early (embedded)",
        source="blip-tabletop-early",
        task="image-to-text",
        family="blip",
        licence="Apache-2.0",
        download_bytes=0,
        memory_bytes=11_300_000,
        knows="The same scenes as Tabletop BLIP, one to four solids; its training was stopped after a seventh of it.",
        limits="It only knows tabletop scenes (five or six solids are outside what it was trained on) and makes "
        "mistakes on purpose: compare it with the finished model.",
        citation="This project (training/captioner.py); architecture: Li et al. 2022, BLIP, arXiv:2201.12086.",
    ),
    ModelCard(
        key="blip-base",
        label="BLIP base",
        source="Salesforce/blip-image-captioning-base",
        task="image-to-text",
        family="blip",
        licence="BSD-3-Clause",
        download_bytes=990_000_000,
        memory_bytes=990_000_000,
        knows="Everyday photos: pretrained on picture-text pairs of the web that it filtered itself, tuned on COCO.",
        limits=f"Short captions of the main thing; weak at counting, reading and rare objects. {BIAS}",
        citation="Li et al. 2022, BLIP: Bootstrapping Language-Image Pre-training, arXiv:2201.12086.",
        revision="9cfcdbcaccbcadb2b53b36d4b50042c4eeaa0c25",  # main (82a3776) has no safetensors
    ),
    ModelCard(
        key="blip-large",
        label="BLIP large",
        source="Salesforce/blip-image-captioning-large",
        task="image-to-text",
        family="blip",
        licence="BSD-3-Clause",
        download_bytes=1_879_014_680,
        memory_bytes=1_880_000_000,
        knows="Everyday photos, as BLIP base, with a larger vision transformer.",
        limits=f"Likes to add things that are often there but not in this picture; English only. {BIAS}",
        citation="Li et al. 2022, BLIP: Bootstrapping Language-Image Pre-training, arXiv:2201.12086.",
        revision="353689b859fcf0523410b1806dace5fb46ecdf41",
    ),
    ModelCard(
        key="vit-gpt2",
        label="ViT + GPT-2",
        source="nlpconnect/vit-gpt2-image-captioning",
        task="image-to-text",
        family="vision-encoder-decoder",
        licence="Apache-2.0",
        download_bytes=982_000_000,
        memory_bytes=982_000_000,
        knows="Everyday photos: a ViT and a GPT-2 joined and tuned on captions (COCO, by the name of its source).",
        limits=f"An early proof of concept: repeats itself and misses what is not in a COCO photo. {BIAS}",
        citation="NLP Connect 2022, vit-gpt2-image-captioning, doi:10.57967/hf/0222.",
        revision="93857e539f312a97c13f16976c2a43505fd76d87",  # main (dc68f91) has no safetensors
    ),
    ModelCard(
        key="git-base-coco",
        label="GIT base (COCO)",
        source="microsoft/git-base-coco",
        task="image-to-text",
        family="git",
        licence="MIT",
        download_bytes=707_000_000,
        memory_bytes=707_000_000,
        knows="Everyday photos: pretrained on ten million picture-text pairs, tuned on COCO.",
        limits="Sees only the middle square of the picture; terse. Not pinned to a commit: main has no safetensors, so "
        f"it comes from the pull request that adds them. {BIAS}",
        citation="Wang et al. 2022, GIT: A Generative Image-to-text Transformer, arXiv:2205.14100.",
        revision="refs/pr/1",  # commit dbe190a; its full name is in no source we know
    ),
    ModelCard(
        key="blip2-opt-2.7b",
        label="BLIP-2 (OPT 2.7B)",
        source="Salesforce/blip2-opt-2.7b",
        task="image-text-to-text",
        family="blip2",
        licence="MIT",
        download_bytes=14_979_000_000,
        memory_bytes=14_979_000_000,
        knows="Photos of the web, described by a frozen language model that reads 32 summaries of the picture.",
        limits=f"Large, and not tuned on captions: short, and invents what it cannot see. {BIAS}",
        citation="Li et al. 2023, BLIP-2, arXiv:2301.12597.",
        batch_limit=4,
        revision="59a1ef6c1e5117b3f65523d1c6066825bcf315e3",
    ),
    replace(SMOLVLM2, limits=f"{SMOLVLM2.limits} {BIAS}"),
    replace(QWEN3_VL, limits=f"{QWEN3_VL.limits} {BIAS}"),
)
