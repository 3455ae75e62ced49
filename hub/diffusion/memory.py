"""How diffusion models get by with the memory there is: where weights wait, and how pictures are decoded.

The hub knows what models may take. Weights that do not fit on the GPU wait in the machine's own memory, and each layer
comes over for the moment it works ("offloading"). The autoencoder decodes one picture of a batch after the other
("slicing"), and where even one is too large, in overlapping tiles.
"""

from __future__ import annotations

from typing import Any

# The most numbers alive at once in a decoder, per pixel of the picture and channel of its first block: its last block
# works at full size, at first on twice the channels. Measured 6.5 at 128 px and 6.1 at 256 px with Stable Diffusion's
# decoder, on a CPU; the rest is for what convolutions on a GPU need for themselves.
DECODER_NUMBERS = 8.0


def offload(network: Any, device: str) -> None:
    """Let each layer of a network come to the device for the moment it works, the next one while the last computes."""
    from diffusers.hooks import apply_group_offloading

    streams = device.startswith("cuda")
    apply_group_offloading(
        network,
        onload_device=device,
        offload_device="cpu",
        offload_type="leaf_level",
        use_stream=streams,
        low_cpu_mem_usage=streams,  # pinned as they go over: pinned for good, they would take twice the memory
    )


def decoding_bytes(decoder: Any, width_px: int, height_px: int) -> int:
    """Return about how much memory decoding one picture takes, in the decoder's own precision."""
    channels: int = decoder.config.block_out_channels[0]
    return int(DECODER_NUMBERS * channels * width_px * height_px * decoder.dtype.itemsize)


def fit_decoder(decoder: Any, width_px: int, height_px: int, room_bytes: int) -> bool:
    """Set a decoder up for pictures of a size; return whether it works in tiles, which may show as faint seams.

    Slicing is always on: a picture is then decoded alone, so that it is the same in every batch. A decoder that can do
    neither, such as a VQModel, is left as it is.
    """
    if hasattr(decoder, "use_slicing"):  # the methods are there for all, and refuse where this is not
        decoder.enable_slicing()
    if not hasattr(decoder, "use_tiling"):
        return False
    tiles = decoding_bytes(decoder, width_px, height_px) > room_bytes
    if tiles:
        decoder.enable_tiling()
    else:
        decoder.disable_tiling()
    return tiles


def free_bytes(device: str) -> int:
    """Return what is free on a device right now."""
    if device == "cpu":
        import psutil

        free: int = psutil.virtual_memory().available
    else:
        import torch

        free, _ = torch.cuda.mem_get_info(device)
        free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free
