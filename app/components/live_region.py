"""What a screen reader says by itself when it changes; nothing to see."""

from __future__ import annotations

from typing import Final

import streamlit as st

# The element stays and its text changes: one that is replaced is not announced.
_JS: Final = """
export default function ({ parentElement, data }) {
  const region = parentElement.querySelector("p")
  if (region.textContent !== data.text) region.textContent = data.text
}
"""
_CSS: Final = (
    "p { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); }"
)

_component = st.components.v2.component(
    "live_region", html='<p role="status" aria-live="polite"></p>', css=_CSS, js=_JS
)


def live_region(text: str, *, key: str) -> None:
    """Let assistive tools announce `text`, plain and untrusted, whenever it is another than before."""
    _component(key=key, data={"text": text}, height=1)
