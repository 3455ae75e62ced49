"""Text to image: words in, pictures out, with every step on the way and where each word acted."""

from demos.text_to_image.demo import DEMO as DEMO
