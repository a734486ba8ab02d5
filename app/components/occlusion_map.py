"""The picture with what the answer rests on in colour."""

from __future__ import annotations

from typing import Final

import numpy as np
import streamlit as st
from PIL import Image

from app.components.digit_image import enlarged
from backend.domain.prediction import Occlusion

_HOT: Final = np.array([255, 96, 64])
_LEAST: Final = 0.01
"""A drop below a hundredth of the confidence is shown as none."""


def occlusion_map(seen: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], found: Occlusion, *, width: int = 112) -> None:
    """Show `seen` [28, 28], redder where covering costs more of the confidence, with the finding in words."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        st.image(coloured(seen, found, width), width=width, alt=describe(found), output_format="PNG")
        with st.container(width="stretch"):
            st.markdown("**What the answer rests on**")
            st.caption(describe(found))


def coloured(seen: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], found: Occlusion, width: int) -> Image.Image:
    """Every pixel a whole square of colour, as `enlarged` makes them."""
    grey = np.asarray(enlarged(seen, width), np.float64)[..., np.newaxis]
    drops = np.clip(np.array(found.drops), 0.0, None)
    peak = drops.max()
    share = drops / peak if peak >= _LEAST else np.zeros_like(drops)
    times = grey.shape[0] // share.shape[0]
    heat = 0.75 * np.kron(share, np.ones((times, times)))[..., np.newaxis]
    return Image.fromarray(np.rint(grey * (1 - heat) + _HOT * heat).astype(np.uint8))


def describe(found: Occlusion) -> str:
    """Where the most depends, and how much."""
    drops = np.array(found.drops)
    row, column = np.unravel_index(int(drops.argmax()), drops.shape)
    lost = float(drops.max())
    if lost < _LEAST:
        return f"No single part decides: the {found.label} stays whatever 7 \u00d7 7 square is covered."
    place = f"{('top', 'middle', 'bottom')[int(row) * 3 // 28]} {('left', 'centre', 'right')[int(column) * 3 // 28]}"
    return f"The {found.label} rests most on the {place}: covered, up to {lost:.0%} of the confidence goes."
