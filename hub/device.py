"""Which device models run on. Torch is imported only when somebody asks, never at start-up."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from dataclasses import dataclass
from typing import Any

from hub.errors import RefusedSetting

MEMORY_SHARE = 0.6  # of what is free at the first load; the rest is for activations and for the machine's other work
QUEUE_ID = "device"  # the Gradio concurrency group of every event that touches a model


@dataclass(frozen=True)
class Device:
    """A resolved device: `name` as torch spells it, `dtype` as models are held on it."""

    name: str
    dtype: str
    label: str  # what the user reads, e.g. "NVIDIA H200" or "CPU"

    @property
    def torch_dtype(self) -> Any:
        """The `torch.dtype` that `dtype` names."""
        import torch

        return getattr(torch, self.dtype)


def resolve(setting: str) -> Device:
    """Turn the setting `device` into a device of this machine.

    Raises:
        RefusedSetting: when a CUDA device is asked for that there is not.
    """
    import torch

    if setting == "cpu" or (setting == "auto" and not torch.cuda.is_available()):
        return Device("cpu", "float32", "CPU")
    if not torch.cuda.is_available():
        raise RefusedSetting(
            f"Device {setting} was asked for, but torch sees no CUDA device.", "Set LECTERN_DEVICE=cpu."
        )
    name = "cuda:0" if setting in ("auto", "cuda") else setting
    if int(name.removeprefix("cuda:")) >= torch.cuda.device_count():
        raise RefusedSetting(
            f"Device {setting} was asked for, but there are only {torch.cuda.device_count()}.", "Count from cuda:0."
        )
    # bfloat16 keeps float32's range, so nothing overflows; older cards emulate it slowly and take float16.
    dtype = "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return Device(name, dtype, torch.cuda.get_device_name(name))


def memory_budget(device: Device, memory_gb: float | None, held: int) -> int:
    """Return the bytes models may use on `device`; `held` is what they use already, which counts as free."""
    if memory_gb is not None:
        return int(memory_gb * 1e9)
    if device.name == "cpu":
        import psutil

        free: int = psutil.virtual_memory().available
    else:
        import torch

        free, _ = torch.cuda.mem_get_info(device.name)
    return int((free + held) * MEMORY_SHARE)


def missing(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `packages` (module names) that are not installed, without importing any."""
    return tuple(package for package in packages if importlib.util.find_spec(package) is None)


def missing_libraries(libraries: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of `libraries` (shared objects of the system, such as "libGL.so.1") that Linux cannot load."""
    return tuple(name for name in libraries if sys.platform == "linux" and not _loads(name))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
