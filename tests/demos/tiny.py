"""Tiny checkpoints with random weights, one of each captioning family, laid out in files as the Hub lays them out.

The classes are those of the real models, so what loads these loads them; the words they say mean nothing. Weights are
drawn wide, for a model fresh from its usual initialisation says one token over and over.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    BertTokenizer,
    Blip2Config,
    Blip2ForConditionalGeneration,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForQuestionAnswering,
    DonutSwinConfig,
    GitConfig,
    GitForCausalLM,
    GPT2Config,
    GPT2Tokenizer,
    LayoutLMConfig,
    LayoutLMForQuestionAnswering,
    MBartConfig,
    NougatTokenizer,
    Pix2StructConfig,
    Pix2StructForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2Tokenizer,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    RobertaTokenizer,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    T5Tokenizer,
    ViltConfig,
    ViltForQuestionAnswering,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    XLMRobertaTokenizer,
)
from transformers.image_processing_utils import BaseImageProcessor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.donut.image_processing_pil_donut import DonutImageProcessorPil
from transformers.models.nougat.image_processing_pil_nougat import NougatImageProcessorPil
from transformers.models.pix2struct.image_processing_pil_pix2struct import Pix2StructImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

PICTURE_PX = 32
PATCH_PX = 8
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {**SIZES, "image_size": PICTURE_PX, "patch_size": PATCH_PX}
WEIGHT_SCALE = 0.3
PICTURE_FILE = "preprocessor_config.json"
PROCESSOR_FILE = "processor_config.json"
WORDS = """
a an and the of on in to two cat dog table picture photo red green blue cube sphere cone sofa small large left right
sitting playing describe this one sentence , . ##s ##ing
""".split()  # noqa: SIM905 - a list of words reads best as a line of words


TEXT = " ".join(word for word in WORDS if "#" not in word) + " Describe this picture: User: Assistant: user assistant\n"


def save(name: str, folder: Path) -> Path:
    """Save the checkpoint `name` of `CHECKPOINTS` to `folder`; the same bytes every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        CHECKPOINTS[name](folder)
    return folder


def blip(folder: Path) -> None:
    """Save a BLIP captioner."""
    tokenizer = BertTokenizer(vocab=_word_vocabulary())
    marks = {"bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    text = {**SIZES, "vocab_size": len(tokenizer), "max_position_embeddings": 48, **marks}
    config = BlipConfig(text_config=text, vision_config={**VISION, "initializer_range": 0.02})
    _save(folder, BlipForConditionalGeneration(config), tokenizer)
    _save_pictures(folder, BlipImageProcessorPil(size=_square(PICTURE_PX)), "BlipImageProcessor", "BlipProcessor")


def vision_encoder_decoder(folder: Path) -> None:
    """Save a ViT joined to a GPT-2, whose start, end and padding are one token; only its config says so."""
    end = "<|endoftext|>"
    vocabulary, merges = _byte_pairs([end])
    tokenizer = GPT2Tokenizer(vocab=vocabulary, merges=merges)
    decoder = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(**VISION), decoder)
    config.decoder_start_token_id = config.eos_token_id = config.pad_token_id = 0
    _save(folder, VisionEncoderDecoderModel(config), tokenizer)
    (folder / "generation_config.json").unlink()
    ViTImageProcessorPil(size=_square(PICTURE_PX)).save_pretrained(folder)
    settings = json.loads((folder / PICTURE_FILE).read_text(encoding="utf-8"))
    del settings["image_processor_type"]
    _write(folder / PICTURE_FILE, {**settings, "feature_extractor_type": "ViTFeatureExtractor", "size": PICTURE_PX})


def git(folder: Path) -> None:
    """Save a GIT, whose image processor cuts out the middle square."""
    tokenizer = BertTokenizer(vocab=_word_vocabulary())
    marks = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    config = GitConfig(vision_config=VISION, **SIZES, vocab_size=len(tokenizer), max_position_embeddings=64, **marks)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": PICTURE_PX}, crop_size=_square(PICTURE_PX))
    _save(folder, GitForCausalLM(config), tokenizer)
    _save_pictures(folder, pictures, "CLIPImageProcessor", "GitProcessor")


def blip2(folder: Path) -> None:
    """Save a BLIP-2 with an OPT, which ends a caption with a line break."""
    vocabulary, merges = _byte_pairs(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer = GPT2Tokenizer(
        vocab=vocabulary, merges=merges, bos_token="</s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    queries = 4
    text = {
        "model_type": "opt",
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "word_embed_proj_dim": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
        "bos_token_id": 2,
        "pad_token_id": 1,
        "eos_token_id": vocabulary["Ċ"],
    }
    config = Blip2Config(
        vision_config=VISION,
        qformer_config={**SIZES, "encoder_hidden_size": SIZES["hidden_size"]},
        text_config=text,
        num_query_tokens=queries,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    _save(folder, Blip2ForConditionalGeneration(config), tokenizer)
    _save_pictures(folder, BlipImageProcessorPil(size=_square(PICTURE_PX)), "BlipImageProcessor", "Blip2Processor")
    _write(folder / PROCESSOR_FILE, {"processor_class": "Blip2Processor", "num_query_tokens": queries})


def smolvlm(folder: Path) -> None:
    """Save a SmolVLM, which cuts a picture into tiles."""
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<end_of_utterance>"]
    marks += ["<fake_token_around_image>", "<image>", "<global-img>"]
    marks += [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    vocabulary, merges = _byte_pairs(marks)
    tokenizer = GPT2Tokenizer(
        vocab=vocabulary,
        merges=merges,
        bos_token="<|im_start|>",
        eos_token="<end_of_utterance>",
        pad_token="<|im_end|>",
        additional_special_tokens=marks[3:],
    )
    pictures = SmolVLMImageProcessorPil(
        size={"longest_edge": 2 * PICTURE_PX}, max_image_size={"longest_edge": PICTURE_PX}, do_image_splitting=True
    )
    template = (
        "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
        "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
        "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
        "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
        "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
    )
    tokens = _mark_ids(tokenizer)
    text = {"model_type": "llama", **SIZES, "num_key_value_heads": 2, "max_position_embeddings": 512, **tokens}
    config = SmolVLMConfig(
        vision_config=VISION,
        text_config={**text, "vocab_size": len(tokenizer)},
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        **tokens,
    )
    _save(folder, SmolVLMForConditionalGeneration(config), tokenizer)
    _save_pictures(folder, pictures, "SmolVLMImageProcessor", "SmolVLMProcessor")
    _write(folder / PROCESSOR_FILE, {"processor_class": "SmolVLMProcessor", "image_seq_len": 4})
    _write(folder / "chat_template.json", {"chat_template": template})


def qwen3_vl(folder: Path) -> None:
    """Save a Qwen3-VL, which keeps a picture's shape."""
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
    marks += ["<|image_pad|>", "<|video_pad|>"]
    vocabulary, merges = _byte_pairs(marks)
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary, merges=merges, eos_token="<|im_end|>", additional_special_tokens=marks[1:]
    )
    pictures = Qwen2VLImageProcessorPil(
        size={"shortest_edge": 32 * 32, "longest_edge": 64 * 64}, patch_size=PATCH_PX, merge_size=2
    )
    template = (
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'}}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
        "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{part['text']}}{% endif %}{% endfor %}"
        "{{'<|im_end|>\n'}}{% endfor %}{% if add_generation_prompt %}{{'<|im_start|>assistant\n'}}{% endif %}"
    )
    vision: dict[str, Any] = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4}
    vision |= {"patch_size": PATCH_PX, "out_hidden_size": 32, "num_position_embeddings": 16}
    vision |= {"deepstack_visual_indexes": [0]}
    text = {**SIZES, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512}
    rotary = {"rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True}
    ids = tokenizer.convert_tokens_to_ids
    config = Qwen3VLConfig(
        vision_config=vision,
        text_config={**text, "vocab_size": len(tokenizer), "rope_scaling": rotary, "eos_token_id": ids("<|im_end|>")},
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
    )
    model = Qwen3VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = [ids("<|im_end|>"), ids("<|endoftext|>")]
    model.generation_config.pad_token_id = ids("<|endoftext|>")
    # Its makers ask for sampling; a run that asks for greedy decoding must get it all the same.
    model.generation_config.update(do_sample=True, temperature=0.7, top_p=0.8, top_k=20)
    _save(folder, model, tokenizer)
    _save_pictures(folder, pictures, "Qwen2VLImageProcessorFast", "Qwen3VLProcessor")
    _write(folder / "chat_template.json", {"chat_template": template})
    _write(folder / "video_preprocessor_config.json", {"video_processor_type": "Qwen3VLVideoProcessor"})


CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    "blip": blip,
    "vision-encoder-decoder": vision_encoder_decoder,
    "git": git,
    "blip2": blip2,
    "smolvlm": smolvlm,
    "qwen3-vl": qwen3_vl,
}


def _save(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    _draw_weights(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _save_pictures(folder: Path, pictures: BaseImageProcessor, name: str, processor: str) -> None:
    """Save an image processor under the class names that the Hub's file has, which say nothing of Pillow."""
    pictures.save_pretrained(folder)
    settings = json.loads((folder / PICTURE_FILE).read_text(encoding="utf-8"))
    _write(folder / PICTURE_FILE, {**settings, "image_processor_type": name, "processor_class": processor})


def _draw_weights(model: PreTrainedModel) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.ndim >= 2:
                tensor.normal_(0, WEIGHT_SCALE, generator=generator)


def _word_vocabulary() -> dict[str, int]:
    return {word: place for place, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}


def _byte_pairs(marks: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return vocabulary and merges of a small byte-level tokenizer that can spell `TEXT`; `marks` come first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=len(marks) + 200, special_tokens=marks, show_progress=False)
    tokenizer.train_from_iterator([TEXT] * 20, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def _mark_ids(tokenizer: Any) -> dict[str, int]:
    return {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}


def _square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}


def _write(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=2), encoding="utf-8")


# --- Visual question answering ----------------------------------------------------------------------------------------

ANSWERS = ("yes", "no", "red", "green", "two", "a dog", "on the table")


def blip_vqa(folder: Path) -> None:
    """Save a BLIP that answers questions."""
    tokenizer = BertTokenizer(vocab=_word_vocabulary())
    marks = {"bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    text = {**SIZES, "vocab_size": len(tokenizer), "max_position_embeddings": 48, **marks}
    config = BlipConfig(text_config=text, vision_config={**VISION, "initializer_range": 0.02})
    _save(folder, BlipForQuestionAnswering(config), tokenizer)
    _save_pictures(folder, BlipImageProcessorPil(size=_square(PICTURE_PX)), "BlipImageProcessor", "BlipProcessor")


def vilt(folder: Path) -> None:
    """Save a ViLT, which keeps a picture's shape and picks from a list of answers."""
    tokenizer = BertTokenizer(vocab=_word_vocabulary())
    config = ViltConfig(
        **VISION, vocab_size=len(tokenizer), max_position_embeddings=40, id2label=dict(enumerate(ANSWERS))
    )
    pictures = ViltImageProcessorPil(size={"shortest_edge": PICTURE_PX}, size_divisor=PATCH_PX)
    _save(folder, ViltForQuestionAnswering(config), tokenizer)
    _save_pictures(folder, pictures, "ViltImageProcessor", "ViltProcessor")


ANSWERERS: dict[str, Callable[[Path], None]] = {
    "blip": blip_vqa,
    "vilt": vilt,
    "blip2": blip2,
    "smolvlm": smolvlm,
    "qwen3-vl": qwen3_vl,
}


def save_answerer(name: str, folder: Path) -> Path:
    """Save the checkpoint `name` of `ANSWERERS` to `folder`; the same bytes every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ANSWERERS[name](folder)
    return folder


# --- Documents and charts ---------------------------------------------------------------------------------------------

PAGE_PX = (64, 48)  # height, width
PAGE_WORDS = [*WORDS, "total", "due", "invoice", "page", "3", "7", "|", "TITLE"]


def layoutlm(folder: Path) -> None:
    """Save a LayoutLM for questions; like the Hub's, it has RoBERTa's tokenizer and two places that go unused."""
    vocabulary, merges = _byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=merges, add_prefix_space=True, model_max_length=64)
    marks = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    config = LayoutLMConfig(**SIZES, **marks, vocab_size=len(tokenizer), max_position_embeddings=66, type_vocab_size=1)
    _save(folder, LayoutLMForQuestionAnswering(config), tokenizer)


def donut(folder: Path) -> None:
    """Save a Donut: a Swin transformer with a BART that writes marks like <s_answer>, in files of an old layout."""
    tokenizer = XLMRobertaTokenizer(vocab=_unigrams(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]))
    marks = ["<s_docvqa>", "<s_question>", "</s_question>", "<s_answer>", "</s_answer>"]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    _save(folder, _swin_and_bart(len(tokenizer)), tokenizer)
    _save_pictures(folder, DonutImageProcessorPil(size=_page_size()), "DonutImageProcessor", "DonutProcessor")
    settings = json.loads((folder / PICTURE_FILE).read_text(encoding="utf-8"))
    del settings["image_processor_type"]
    old = {"feature_extractor_type": "DonutFeatureExtractor", "size": list(reversed(PAGE_PX))}  # width, height
    _write(folder / PICTURE_FILE, {**settings, **old})


def nougat(folder: Path) -> None:
    """Save a Nougat: Donut's architecture with a tokenizer of its own, and a processor that crops the margins."""
    vocabulary, merges = _byte_pairs(["<s>", "<pad>", "</s>", "<unk>", "[START_REF]"])
    tokenizer = NougatTokenizer(vocab=vocabulary, merges=merges)
    _save(folder, _swin_and_bart(len(tokenizer)), tokenizer)
    _save_pictures(folder, NougatImageProcessorPil(size=_page_size()), "NougatImageProcessor", "NougatProcessor")


def deplot(folder: Path) -> None:
    """Save a DePlot: a Pix2Struct whose processor asks for a header, and which writes a line break as a word."""
    tokenizer = T5Tokenizer(vocab=_unigrams(["<pad>", "</s>", "<unk>", "<0x0A>"]), extra_ids=0)
    inner = {"hidden_size": 32, "d_kv": 8, "d_ff": 64}
    text = {**inner, "num_layers": 2, "num_heads": 4, "vocab_size": len(tokenizer)}
    vision = {**inner, "patch_embed_hidden_size": 768, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = Pix2StructConfig(
        text_config=text, vision_config={**vision, "seq_len": 64}, is_vqa=True, is_encoder_decoder=True
    )
    model = Pix2StructForConditionalGeneration(config)
    model.generation_config.update(decoder_start_token_id=0, eos_token_id=1, pad_token_id=0)
    _save(folder, model, tokenizer)
    pictures = Pix2StructImageProcessorPil(is_vqa=True, max_patches=48)
    _save_pictures(folder, pictures, "Pix2StructImageProcessor", "Pix2StructProcessor")


DOCUMENT_CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    "layoutlm": layoutlm,
    "donut": donut,
    "deplot": deplot,
    "nougat": nougat,
}


def save_document(name: str, folder: Path) -> Path:
    """Save the checkpoint `name` of `DOCUMENT_CHECKPOINTS` to `folder`; the same bytes every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        DOCUMENT_CHECKPOINTS[name](folder)
    return folder


def _swin_and_bart(words: int) -> VisionEncoderDecoderModel:
    """Return the architecture of Donut and Nougat, whose decoder knows `words` tokens."""
    encoder = DonutSwinConfig(
        image_size=list(PAGE_PX), patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4
    )
    decoder = MBartConfig(
        vocab_size=words,
        d_model=32,
        decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=64,
        max_position_embeddings=96,
        is_decoder=True,
        add_cross_attention=True,
        scale_embedding=True,
        add_final_layer_norm=True,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 0, 1, 2
    return VisionEncoderDecoderModel(config)


def _unigrams(marks: list[str]) -> list[tuple[str, float]]:
    """Return the pieces of a small SentencePiece-like tokenizer, and how likely each is; `marks` come first."""
    letters = sorted({letter for word in PAGE_WORDS for letter in word} | set("?.,:0123456789"))
    words = ["▁" + word for word in PAGE_WORDS]
    return (
        [(mark, 0.0) for mark in marks]
        + [(piece, -2.0) for piece in words]
        + [("▁", -3.0)]
        + [(letter, -4.0) for letter in letters]
    )


def _page_size() -> dict[str, int]:
    return {"height": PAGE_PX[0], "width": PAGE_PX[1]}
