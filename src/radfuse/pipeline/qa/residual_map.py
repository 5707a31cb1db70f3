"""The map of the skull's residuals on the head, as SVG in the orientation of axial planes."""

from html import escape

import numpy as np

from radfuse.registration.qa.regions import MAX_RESIDUAL_MM, SECTORS, Residuals, region_names

RADII = (26.0, 62.0, 98.0, 122.0)
"""Outer radius of vertex, upper ring, lower ring and skull base, in units of the map."""

OUTSIDE_RGB, INSIDE_RGB = (240, 140, 40), (90, 165, 225)
"""Colours of `MAX_RESIDUAL_MM` outside and inside the skull of the CT; 0 is white."""

UNKNOWN_RGB = (205, 205, 205)
"""Colour of a region without residual."""

LETTERS = {"A": (0, -133), "P": (0, 133), "R": (-133, 0), "L": (133, 0)}
"""Positions of the patient's directions: front above, left on the right."""


def residual_map(residuals: Residuals) -> str:
    """The map: vertex in the middle, around it the upper and the lower ring, and the skull base."""
    cells = "\n".join(_cell(name, residuals) for name in reversed(region_names()))
    letters = "".join(
        f'<text class="side" x="{x}" y="{y}">{letter}</text>' for letter, (x, y) in LETTERS.items()
    )
    return (
        '<svg class="map" viewBox="-145 -145 290 290" role="img" '
        'aria-label="Residuals of the skull by region">\n'
        f"{cells}\n{letters}</svg>"
    )


def _cell(name: str, residuals: Residuals) -> str:
    """A region in its colour, with its residual in mm."""
    found = residuals.get(name)
    value = f"{found[0]:+.1f}" if found else "\N{EN DASH}"
    red, green, blue = _colour(found[0]) if found else UNKNOWN_RGB
    path, (x, y) = _outline(name)
    label = f"{name}: {value} mm" if found else f"{name}: not measured"
    return (
        f'<g><title>{escape(label)}</title><path d="{path}" fill="rgb({red},{green},{blue})"/>'
        f'<text x="{x:.1f}" y="{y:.1f}">{value}</text></g>'
    )


def _colour(residual_mm: float) -> tuple[int, int, int]:
    share = min(abs(residual_mm) / MAX_RESIDUAL_MM, 1.0)
    full = np.array(OUTSIDE_RGB if residual_mm > 0 else INSIDE_RGB)
    red, green, blue = np.floor(255.5 + share * (full - 255)).astype(int).tolist()
    return red, green, blue


def _outline(name: str) -> tuple[str, tuple[float, float]]:
    """Path of a region, and the position of its text."""
    if name == "vertex":
        return _circle(RADII[0]), (0.0, 0.0)
    if name == "skull base":  # the rings cover all but its rim
        return _circle(RADII[3]), (0.0, (RADII[2] + RADII[3]) / 2)
    sector, ring = name.split(", ")
    inner, outer = RADII[:2] if ring == "upper" else RADII[1:3]
    middle = np.radians(45.0 * SECTORS.index(sector))  # left is 0, towards the back
    first, last = (
        np.array([np.cos(middle + angle), np.sin(middle + angle)])
        for angle in np.radians([-22.5, 22.5])
    )
    corners = [
        f"{x:.1f} {y:.1f}" for x, y in (inner * first, outer * first, outer * last, inner * last)
    ]
    path = (
        f"M{corners[0]} L{corners[1]} A{outer} {outer} 0 0 1 {corners[2]} "
        f"L{corners[3]} A{inner} {inner} 0 0 0 {corners[0]} Z"
    )
    radius = (inner + outer) / 2
    return path, (radius * float(np.cos(middle)), radius * float(np.sin(middle)))


def _circle(radius: float) -> str:
    arc = f"A{radius} {radius} 0 0 1"
    return f"M{-radius} 0 {arc} {radius} 0 {arc} {-radius} 0 Z"
