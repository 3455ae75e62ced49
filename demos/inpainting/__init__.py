"""Inpainting: mark a part of a picture, say what is to be there, and watch the model fill the hole."""

from demos.inpainting.demo import DEMO as DEMO
