"""ControlNet: drawings that say where things go, words that say what they are."""

from demos.controlnet.demo import DEMO as DEMO
