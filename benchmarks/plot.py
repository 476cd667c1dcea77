"""A line with its points, drawn with Pillow: no plotting library is needed for one picture."""

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 960, 600, 90, 40, 30, 80
INK, GRID, LINE, POINT = "#222222", "#dddddd", "#7f9cc0", "#1f4e8c"
RADIUS_PX = 7
_STEPS = (1, 2, 5)


def plot_line(path: Path, x: np.ndarray, y: np.ndarray, slope: float, start: float) -> None:
    """Points (x: tiles, y: seconds) and the fitted line y = slope · x + start, from the origin on, as a PNG."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(18)
    x_ticks, y_ticks = _ticks(float(x.max())), _ticks(float(max(y.max(), slope * x.max() + start)))

    def at(across: float, up: float) -> tuple[float, float]:
        return (
            LEFT + across / x_ticks[-1] * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up / y_ticks[-1] * (HEIGHT - TOP - BOTTOM),
        )

    for tick in x_ticks:
        draw.line([at(tick, 0), at(tick, y_ticks[-1])], GRID)
        draw.text((at(tick, 0)[0], HEIGHT - BOTTOM + 8), f"{tick:g}", INK, font, anchor="ma")
    for tick in y_ticks:
        draw.line([at(0, tick), at(x_ticks[-1], tick)], GRID)
        draw.text((LEFT - 10, at(0, tick)[1]), f"{tick:g}", INK, font, anchor="rm")
    draw.line([at(0, start), at(float(x.max()), slope * float(x.max()) + start)], LINE, 3)
    for across, up in zip(x.tolist(), y.tolist(), strict=True):
        centre = at(across, up)
        draw.circle(centre, RADIUS_PX, POINT)
    draw.text((WIDTH / 2, HEIGHT - 14), "5x tiles with tissue", INK, font, anchor="ms")
    title = f"seconds of xmag analyze: {start:.2f} + {slope * 1e3:.2f} ms per tile"
    draw.text((LEFT, TOP - 12), title, INK, font, anchor="ls")
    image.save(path, optimize=True)


def _ticks(largest: float) -> list[float]:
    """From 0 past ``largest`` in four to ten round steps."""
    power = 10 ** math.floor(math.log10(largest / 4))
    step = next(step * power for step in (*_STEPS, 10) if largest / (step * power) <= 10)
    return [step * number for number in range(math.ceil(largest / step) + 1)]
