"""Chat models that read pictures, on tiny random checkpoints of the same classes and processors."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

from hub import chat
from hub.chat import Chat
from tests.demos import tiny

PICTURES = (Image.new("RGB", (64, 64), "red"), Image.effect_noise((90, 40), 80).convert("RGB"))
INSTRUCTIONS = ("describe this", "is the small red cube on the table?")
GREEDY = {"do_sample": False, "num_beams": 1, "max_new_tokens": 8}
each_family = pytest.mark.parametrize("family", ["smolvlm", "qwen3-vl"])


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chat]:
    root = tmp_path_factory.mktemp("chats")
    load = {"smolvlm": chat.smolvlm, "qwen3-vl": chat.qwen3_vl}
    return {name: load[name](tiny.save(name, root / name), "cpu", torch.float32) for name in load}


@each_family
def test_reading_a_greedy_answer_again_finds_every_token_the_likeliest(chats: dict[str, Chat], family: str) -> None:
    with torch.inference_mode():
        asked = chats[family].ask(PICTURES, INSTRUCTIONS)
        tokens = chats[family].write(asked, **GREEDY)
        likeliest = chats[family].reread(asked, tokens).argmax(-1)
    for row, best in zip(tokens.tolist(), likeliest.tolist(), strict=True):
        ends = chats[family].end_tokens
        length = next((place + 1 for place, token in enumerate(row) if token in ends), len(row))
        assert row[:length] == best[:length]


@each_family
def test_an_answer_does_not_depend_on_its_neighbours(chats: dict[str, Chat], family: str) -> None:
    with torch.inference_mode():
        together = chats[family].ask(PICTURES, INSTRUCTIONS)
        tokens = chats[family].write(together, **GREEDY)
        logits = chats[family].reread(together, tokens)
        for place, pair in enumerate(zip(PICTURES, INSTRUCTIONS, strict=True)):
            alone = chats[family].ask(pair[:1], pair[1:])
            assert chats[family].write(alone, **GREEDY).tolist()[0] == tokens[place].tolist()
            assert torch.allclose(chats[family].reread(alone, tokens[place : place + 1])[0], logits[place], atol=1e-4)


@each_family
def test_several_answers_to_one_picture_are_read_again_together(chats: dict[str, Chat], family: str) -> None:
    tokens = torch.tensor([[11, 12, 13], [21, 22, 23], [31, 32, 33], [41, 42, 43]])
    with torch.inference_mode():
        asked = chats[family].ask(PICTURES, INSTRUCTIONS)
        logits = chats[family].reread(asked, tokens)
        for row in range(4):
            alone = chats[family].ask(PICTURES[row // 2 : row // 2 + 1], INSTRUCTIONS[row // 2 : row // 2 + 1])
            assert torch.allclose(chats[family].reread(alone, tokens[row : row + 1])[0], logits[row], atol=1e-4)


@each_family
def test_it_reads_picture_and_instruction(chats: dict[str, Chat], family: str) -> None:
    with torch.inference_mode():
        asked = chats[family].ask([PICTURES[0], PICTURES[0], PICTURES[1]], [INSTRUCTIONS[0], *INSTRUCTIONS])
        first = chats[family].reread(asked, torch.tensor([[11], [11], [11]]))
    assert torch.allclose(first[0], first[1], atol=1e-4)
    assert not torch.allclose(first[0], first[2], atol=1e-2)


def test_a_picture_is_put_into_words_as_smolvlm_s_own_processor_does(chats: dict[str, Chat]) -> None:
    """SmolVLM's needs torchvision and num2words, so Idefics3's takes its place."""
    processor = chats["smolvlm"].processor
    for rows, columns in ((0, 0), (3, 4)):
        assert processor.replace_image_token({"rows": [[rows]], "cols": [[columns]]}, 0) == get_image_prompt_string(
            rows,
            columns,
            processor.image_seq_len,
            fake_token_around_image="<fake_token_around_image>",
            image_token="<image>",
            global_image_token="<global-img>",
        )
