"""The cards of chat models that several demos offer, for `hub.chat`; each demo adds what its use of them risks."""

from __future__ import annotations

from hub.cards import ModelCard

SMOLVLM2 = ModelCard(
    key="smolvlm2-500m",
    label="SmolVLM2 500M",
    source="HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
    task="image-text-to-text",
    family="smolvlm",
    licence="Apache-2.0",
    download_bytes=2_030_000_000,
    memory_bytes=2_030_000_000,
    knows="Photos, documents and charts; answers in sentences, and follows an instruction.",
    limits="Small for a chat model: fluent but often wrong in details, and slow without a GPU; English only.",
    citation="Marafioti et al. 2025, SmolVLM, arXiv:2504.05299.",
    batch_limit=8,
    revision="7b375e1b73b11138ff12fe22c8f2822d8fe03467",
)
QWEN3_VL = ModelCard(
    key="qwen3-vl-2b",
    label="Qwen3-VL 2B",
    source="Qwen/Qwen3-VL-2B-Instruct",
    task="image-text-to-text",
    family="qwen3-vl",
    licence="Apache-2.0",
    download_bytes=4_255_140_312,
    memory_bytes=8_510_000_000,
    knows="Photos, documents, signs and screens in many languages; answers in sentences, and follows an instruction.",
    limits="Needs a GPU to be quick; sounds sure when it is wrong.",
    citation="Bai et al. 2025, Qwen3-VL Technical Report, arXiv:2511.21631.",
    batch_limit=4,
    revision="89644892e4d85e24eaac8bacfd4f463576704203",
)
