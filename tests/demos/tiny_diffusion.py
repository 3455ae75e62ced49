"""Tiny diffusion checkpoints with random weights, laid out as on the Hub: what a loader meets there, offline.

Every class is the real one, a few thousand parameters small. Files carry the endings that the cards ask for, so that a
loader that looks for another form of the weights finds none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    ControlNetUnionModel,
    DDIMScheduler,
    DDPMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    PriorTransformer,
    SchedulerMixin,
    UnCLIPScheduler,
    UNet2DConditionModel,
    VQModel,
    ZImageTransformer2DModel,
)
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3Model,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

PICTURE_PX = 64
LATENT_PX = PICTURE_PX // 8
WIDTH = 32  # of text
TEXT = "a cat on a red table, a blue cube and a photo of an astronaut " * 2
SCALED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
BLOCKS = {"block_out_channels": (16, 32), "layers_per_block": 1, "norm_num_groups": 8, "attention_head_dim": 4}
NAMES_OF_2022 = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
AUTOENCODER_BLOCKS = 4  # three of which halve: 8 pixels to a latent


def save(name: str, folder: Path) -> Path:
    """Save the checkpoint `name` of `CHECKPOINTS` to `folder`; the same bytes every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        CHECKPOINTS[name](folder)
    return folder


# --- Whole models -----------------------------------------------------------------------------------------------------


def stable_diffusion(folder: Path, *, inputs: int = 4, scheduler: SchedulerMixin | None = None) -> None:
    """Save a Stable Diffusion 1.5; with nine inputs it is the one for inpainting."""
    _save_clip(folder, "tokenizer", "text_encoder", CLIPTextModel)
    _save(_unet(inputs), folder / "unet", "fp16")
    _save(_autoencoder(4), folder / "vae", "fp16")
    _rename(folder / "text_encoder" / "model.fp16.safetensors", {"": "text_model."})
    _rename(folder / "vae" / "diffusion_pytorch_model.fp16.safetensors", NAMES_OF_2022)
    (scheduler or PNDMScheduler(**SCALED, skip_prk_steps=True, steps_offset=1)).save_pretrained(folder / "scheduler")
    _index(folder, "StableDiffusionInpaintPipeline" if inputs == 9 else "StableDiffusionPipeline")


def sd_turbo(folder: Path) -> None:
    """Save an SD Turbo."""
    stable_diffusion(folder, scheduler=EulerDiscreteScheduler(**SCALED, steps_offset=1, timestep_spacing="trailing"))


def sd_inpainting(folder: Path) -> None:
    """Save a Stable Diffusion 1.5 Inpainting."""
    stable_diffusion(folder, inputs=9)


def stable_diffusion_xl(folder: Path, *, inputs: int = 4, scheduler: SchedulerMixin | None = None) -> None:
    """Save a Stable Diffusion XL: two text encoders, and a U-Net that also reads sizes and a pooled prompt."""
    _save_clip(folder, "tokenizer", "text_encoder", CLIPTextModel)
    _save_clip(folder, "tokenizer_2", "text_encoder_2", CLIPTextModelWithProjection)
    _save(UNet2DConditionModel(**_xl(in_channels=inputs, out_channels=4)), folder / "unet", "fp16")
    _save(_autoencoder(4, force_upcast=True), folder / "vae", "fp16")
    own = scheduler or EulerDiscreteScheduler(**SCALED, steps_offset=1, timestep_spacing="leading")
    own.save_pretrained(folder / "scheduler")
    _index(folder, "StableDiffusionXLInpaintPipeline" if inputs == 9 else "StableDiffusionXLPipeline")


def sdxl_turbo(folder: Path) -> None:
    """Save an SDXL Turbo."""
    stable_diffusion_xl(
        folder, scheduler=EulerAncestralDiscreteScheduler(**SCALED, steps_offset=1, timestep_spacing="trailing")
    )


def sdxl_inpainting(folder: Path) -> None:
    """Save an SDXL Inpainting."""
    stable_diffusion_xl(folder, inputs=9)


def z_image(folder: Path) -> None:
    """Save a Z-Image Turbo: a transformer, and Qwen3 as its text encoder."""
    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=WIDTH,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    torch.nn.init.normal_(transformer.x_pad_token)
    torch.nn.init.normal_(transformer.cap_pad_token)
    _save(transformer, folder / "transformer")
    _save(
        _autoencoder(4, use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.3611, shift_factor=0.1159),
        folder / "vae",
    )
    vocabulary, merges = _byte_pairs(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=merges)
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer.save_pretrained(folder / "tokenizer")
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
    )
    Qwen3Model(config).save_pretrained(folder / "text_encoder")
    FlowMatchEulerDiscreteScheduler(shift=3.0).save_pretrained(folder / "scheduler")
    _index(folder, "ZImagePipeline")


def kandinsky_prior(folder: Path) -> None:
    """Save the prior of Kandinsky 2.2, which turns a prompt into what CLIP would see."""
    prior = PriorTransformer(
        num_attention_heads=2, attention_head_dim=16, embedding_dim=WIDTH, num_layers=1, num_embeddings=77
    )
    prior.clip_std.data.fill_(1.0)
    _save(prior, folder / "prior")
    _save_clip(folder, "tokenizer", "text_encoder", CLIPTextModelWithProjection, variant="")
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=37,
        projection_dim=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
    )
    CLIPVisionModelWithProjection(vision).save_pretrained(folder / "image_encoder")
    size = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size=size, crop_size=size).save_pretrained(folder / "image_processor")
    UnCLIPScheduler(
        variance_type="fixed_small_log",
        prediction_type="sample",
        num_train_timesteps=1000,
        clip_sample_range=5.0,
    ).save_pretrained(folder / "scheduler")
    _index(folder, "KandinskyV22PriorPipeline")


def kandinsky_inpainting(folder: Path) -> None:
    """Save the inpainting decoder of Kandinsky 2.2: its U-Net also says how sure it is, so it has 8 outputs."""
    unet = UNet2DConditionModel(
        sample_size=LATENT_PX,
        in_channels=9,
        out_channels=8,
        addition_embed_type="image",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="image_proj",
        cross_attention_dim=WIDTH,
        resnet_time_scale_shift="scale_shift",
        **BLOCKS,
    )
    _save(unet, folder / "unet")
    movq = VQModel(
        block_out_channels=(32,) * AUTOENCODER_BLOCKS,
        down_block_types=("DownEncoderBlock2D",) * AUTOENCODER_BLOCKS,
        up_block_types=("UpDecoderBlock2D",) * AUTOENCODER_BLOCKS,
        latent_channels=4,
        norm_type="spatial",
        num_vq_embeddings=12,
        vq_embed_dim=4,
    )
    _save(movq, folder / "movq")
    DDPMScheduler(
        beta_schedule="linear", beta_start=0.00085, beta_end=0.012, variance_type="learned_range"
    ).save_pretrained(folder / "scheduler")
    _index(folder, "KandinskyV22InpaintPipeline")


def tabletop(folder: Path) -> None:
    """Save a model of the embedded one's structure: half precision without a variant, 16 channels, v-prediction."""
    _save_clip(folder, "tokenizer", "text_encoder", CLIPTextModel, variant="")
    _save(_unet(16, outputs=16), folder / "unet")
    _save(_autoencoder(16), folder / "vae")
    DDIMScheduler(
        **SCALED,
        rescale_betas_zero_snr=True,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")
    _index(folder, "StableDiffusionPipeline")


# --- ControlNets ------------------------------------------------------------------------------------------------------


def controlnet(folder: Path) -> None:
    """Save a ControlNet for `stable_diffusion`."""
    _save(_controlnet(_unet(4)), folder, "fp16")


def controlnet_xl(folder: Path) -> None:
    """Save a ControlNet for `stable_diffusion_xl`."""
    _save(_controlnet(UNet2DConditionModel(**_xl(in_channels=4, out_channels=4))), folder, "fp16")


def controlnet_tabletop(folder: Path) -> None:
    """Save a ControlNet for `tabletop`."""
    _save(_controlnet(_unet(16, outputs=16)), folder)


def controlnet_union(folder: Path) -> None:
    """Save a union of six ControlNets for `stable_diffusion_xl`, a second one beside it."""
    shared = {
        name: value for name, value in _xl(in_channels=4).items() if name not in ("up_block_types", "sample_size")
    }
    union = ControlNetUnionModel(
        **shared,
        conditioning_embedding_out_channels=(16, 32, 32, 32),
        num_control_type=6,
        num_trans_channel=16,
        num_trans_head=2,
        num_proj_channel=16,
    )
    _shake(union)
    _save(union, folder)
    (folder / "diffusion_pytorch_model_promax.safetensors").write_bytes(b"another network")


CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    "tabletop-diffusion": tabletop,
    "sd-1.5": stable_diffusion,
    "sd-turbo": sd_turbo,
    "sdxl-turbo": sdxl_turbo,
    "sdxl": stable_diffusion_xl,
    "z-image-turbo": z_image,
    "sd-1.5-inpainting": sd_inpainting,
    "sdxl-inpainting": sdxl_inpainting,
    "kandinsky-2.2-prior": kandinsky_prior,
    "kandinsky-2.2-inpainting": kandinsky_inpainting,
    "controlnet": controlnet,
    "controlnet-xl": controlnet_xl,
    "controlnet-tabletop": controlnet_tabletop,
    "controlnet-union": controlnet_union,
}


# --- Parts ------------------------------------------------------------------------------------------------------------


def _unet(inputs: int, outputs: int = 4) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=LATENT_PX,
        in_channels=inputs,
        out_channels=outputs,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        **BLOCKS,
    )


def _xl(**channels: int) -> dict[str, Any]:
    return {
        **BLOCKS,
        **channels,
        "sample_size": LATENT_PX,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (2, 4),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "transformer_layers_per_block": (1, 2),
        "projection_class_embeddings_input_dim": 6 * 8 + WIDTH,
        "cross_attention_dim": 2 * WIDTH,
    }


def _controlnet(unet: UNet2DConditionModel) -> ControlNetModel:
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(16, 32, 32, 32))
    _shake(net)
    return net


def _shake(net: torch.nn.Module) -> None:
    """Let drawings count: a ControlNet begins with outputs of zero, and small random layers hardly see anything."""
    for name, parameter in net.named_parameters():
        if parameter.ndim > 1 and ("cond_embedding" in name or not parameter.any()):
            torch.nn.init.normal_(parameter, std=0.3)


def _autoencoder(channels: int, **settings: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 16, 16)[:AUTOENCODER_BLOCKS],
        down_block_types=("DownEncoderBlock2D",) * AUTOENCODER_BLOCKS,
        up_block_types=("UpDecoderBlock2D",) * AUTOENCODER_BLOCKS,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=PICTURE_PX,
        **settings,
    )


def _save_clip(folder: Path, tokenizer_name: str, name: str, kind: Any, variant: str = "fp16") -> None:
    vocabulary, merges = _byte_pairs(["<|startoftext|>", "<|endoftext|>"], end_of_word="</w>")
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    tokenizer.save_pretrained(folder / tokenizer_name)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=37,
        projection_dim=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    _save(kind(config), folder / name, variant)


def _byte_pairs(special: list[str], end_of_word: str = "") -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return a byte-level vocabulary and its merges, special tokens last, as CLIP's and Qwen's are."""
    ending: dict[str, Any] = {"end_of_word_suffix": end_of_word} if end_of_word else {}
    learner = Tokenizer(models.BPE(**ending))
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False, **ending)
    learner.train_from_iterator([TEXT], trainer)
    model = json.loads(learner.to_str())["model"]
    entries = list(model["vocab"])
    if end_of_word:
        entries += [letter + end_of_word for letter in sorted(alphabet) if letter + end_of_word not in model["vocab"]]
    merges = [(first, second) for first, second in model["merges"]]
    return {entry: place for place, entry in enumerate([*entries, *special])}, merges


def _save(network: Any, folder: Path, variant: str = "") -> None:
    network.half().save_pretrained(folder, variant=variant or None)


def _rename(file: Path, names: dict[str, str]) -> None:
    """Give the tensors of a file the names that they have on the Hub, from before the libraries changed theirs."""
    tensors = {}
    for name, tensor in load_file(file).items():
        for new, old in names.items():
            name = name.replace(new, old) if new else old + name
        tensors[name] = tensor
    save_file(tensors, file, {"format": "pt"})


def _index(folder: Path, pipeline: str) -> None:
    """Write what says of which classes the parts are that were saved to a folder."""
    index: dict[str, Any] = {"_class_name": pipeline}
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        if (part / "tokenizer_config.json").exists():
            settings = json.loads((part / "tokenizer_config.json").read_text(encoding="utf-8"))
            index[part.name] = ["transformers", settings["tokenizer_class"]]
        elif (part / "preprocessor_config.json").exists():
            index[part.name] = ["transformers", "CLIPImageProcessor"]
        else:
            (file,) = (path for path in part.glob("*config.json") if path.name != "generation_config.json")
            settings = json.loads(file.read_text(encoding="utf-8"))
            own = "_class_name" in settings
            index[part.name] = [
                "diffusers" if own else "transformers",
                settings.get("_class_name") or settings["architectures"][0],
            ]
    if pipeline.startswith("StableDiffusion") and "XL" not in pipeline:
        index |= {"safety_checker": [None, None], "feature_extractor": [None, None], "requires_safety_checker": False}
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
