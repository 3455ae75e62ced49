"""The procedural tabletop world behind every embedded model: coloured solids on a tinted table.

A `Scene` is a small typed graph; everything else (picture, depth, captions, questions, stereo pair) is derived from it,
so each of them is exactly true of the others.
"""
