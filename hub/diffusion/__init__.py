"""Diffusion models, for every demo that draws: families and cards, loading, sampling, LoRAs."""
