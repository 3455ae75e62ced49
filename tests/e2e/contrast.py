"""How well text stands out from what is behind it, as the browser draws it."""

from __future__ import annotations

from playwright.sync_api import Locator

Rgba = tuple[float, float, float, float]  # sRGB 0..255 and alpha 0..1

# Colours as the browser computes them may be in any colour space: a canvas of one pixel turns each into sRGB.
# Yields the text's colour, then the backgrounds from the element outwards, each with its share of the opacity.
LAYERS = """element => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgba = (colour, opacity) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255 * opacity];
  };
  const line = [];
  for (let at = element; at; at = at.parentElement) line.push(getComputedStyle(at));
  const opacity = line.map((_, k) => line.slice(k).reduce((product, style) => product * style.opacity, 1));
  if (line.some(style => style.backgroundImage.includes("gradient"))) throw new Error("a gradient is not measured");
  return [rgba(line[0].color, opacity[0]), ...line.map((style, k) => rgba(style.backgroundColor, opacity[k]))];
}"""


def contrast(text: Locator) -> float:
    """Return the contrast ratio, 1 to 21, between an element's text and what is painted behind it.

    A see-through layer is taken to show the layers behind it in proportion, and the page itself to be white.

    Source: WCAG 2.2, definition of contrast ratio, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
    """
    foreground, *backgrounds = text.evaluate(LAYERS)
    behind = (255.0, 255.0, 255.0, 1.0)
    for layer in reversed(backgrounds):
        behind = over(layer, behind)
    lighter, darker = sorted((luminance(over(foreground, behind)), luminance(behind)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def over(top: Rgba, bottom: Rgba) -> Rgba:
    """Paint a see-through colour over an opaque one."""
    alpha = top[3]
    r, g, b = (alpha * above + (1 - alpha) * below for above, below in zip(top[:3], bottom[:3], strict=True))
    return r, g, b, 1.0


def luminance(colour: Rgba) -> float:
    """Return the relative luminance of an opaque sRGB colour, 0 for black to 1 for white.

    >>> round(luminance((255, 255, 255, 1)), 3)
    1.0

    Source: WCAG 2.2, definition of relative luminance, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance.
    """
    shares = [channel / 255 for channel in colour[:3]]
    r, g, b = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
