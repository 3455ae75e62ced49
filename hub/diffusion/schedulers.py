"""Schedulers: how the noise is taken away step by step, whatever the model.

A model comes with the settings of its training: how much noise there is at each of its (usually 1,000) times, and
whether it predicts the noise or the velocity v. Every scheduler takes these over and adds its own way of stepping.

A model whose schedule ends in pure noise (`rescale_betas_zero_snr`) has to start at the very last time ("trailing"),
where signal over noise is 0. DDIM takes that as it is. Schedulers that think in sigma = noise / signal would divide by
0: diffusers gives them a signal of 2^-12 there, which a float32 can still carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.diffusion.abilities import OWN

# The classes of diffusers; all else is the model's own settings, and the classes' defaults (DPM++ is of order 2).
SCHEDULERS: Mapping[str, str] = {
    "ddim": "DDIMScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "unipc": "UniPCMultistepScheduler",
    "lcm": "LCMScheduler",
}


def make(name: str, config: Mapping[str, Any]) -> Any:
    """Return a new scheduler of diffusers; it keeps state, so every run has one of its own.

    Args:
        name: one of `SCHEDULERS`, or "own" for the model's own.
        config: the settings in the model's scheduler_config.json.
    """
    import diffusers

    kind = getattr(diffusers, config["_class_name"] if name == OWN else SCHEDULERS[name])
    return kind.from_config(dict(config))
