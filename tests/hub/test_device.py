"""Devices: what the settings ask for, or a refusal that says what to set."""

from __future__ import annotations

import psutil
import pytest
import torch

from hub.device import MEMORY_SHARE, Device, memory_budget, missing, resolve
from hub.errors import RefusedSetting

CPU = Device("cpu", "float32", "CPU")
needs_no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def test_the_cpu_computes_in_float32() -> None:
    assert resolve("cpu") == CPU
    assert CPU.torch_dtype is torch.float32


@needs_no_cuda
def test_auto_without_cuda_is_the_cpu() -> None:
    assert resolve("auto") == CPU


@needs_no_cuda
@pytest.mark.parametrize("setting", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_where_there_is_none_is_refused_with_what_to_set(setting: str) -> None:
    with pytest.raises(RefusedSetting, match="LECTERN_DEVICE=cpu"):
        resolve(setting)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_is_taken_by_auto_in_half_precision_and_by_number_as_far_as_there_are() -> None:
    device = resolve("auto")
    assert device.name == "cuda:0"
    assert device.torch_dtype in (torch.bfloat16, torch.float16)
    assert device == resolve("cuda") == resolve("cuda:0")
    with pytest.raises(RefusedSetting, match="there are only"):
        resolve(f"cuda:{torch.cuda.device_count()}")
    assert 0 < memory_budget(device, None, held=0) < torch.cuda.get_device_properties(0).total_memory


def test_a_budget_that_is_set_is_taken_as_it_is() -> None:
    assert memory_budget(CPU, 2.5, held=10**12) == 2_500_000_000


def test_the_budget_is_a_share_of_what_is_free_and_what_models_hold_counts_as_free() -> None:
    total = psutil.virtual_memory().total
    assert 0 < memory_budget(CPU, None, held=0) < total * MEMORY_SHARE
    assert memory_budget(CPU, None, held=10 * total) >= 10 * total * MEMORY_SHARE


def test_missing_names_what_is_not_installed() -> None:
    assert missing(("torch", "no_such_library", "json")) == ("no_such_library",)
    assert missing(()) == ()
