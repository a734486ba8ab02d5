"""What a person does in the browser, as steps of journeys."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.fakes.freehand import strokes_of

ANSWER_MS = 10_000


def draw(page: Page, digit: int, *, width: float = 20.0) -> None:
    """Clear the canvas and draw the digit with the mouse, a stroke at a time."""
    canvas = page.locator(".st-key-digit_canvas canvas")
    button(page, "draw_clear").click()
    page.locator(".st-key-digit_canvas input[type=range]").fill(f"{width:g}")
    box = canvas.bounding_box()
    assert box is not None
    scale = box["width"] / 280
    # The second hand's seven has a crossbar: the bundled 8x8 digits know no other.
    for stroke in strokes_of(digit, hand=1):
        points = [(box["x"] + x * scale, box["y"] + y * scale) for x, y in stroke.points]
        page.mouse.move(*points[0])
        page.mouse.down()
        for x, y in points[1:]:
            page.mouse.move(x, y)
        page.mouse.up()


def button(page: Page, key: str) -> Locator:
    """The button with this key; one with a tooltip is in the page twice, for desktop and phone."""
    return page.locator(f".st-key-{key} button:visible")


def expect_answer(page: Page, digit: int, stage: str = "staging") -> None:
    value = page.locator(f".st-key-draw_result_{stage} [data-testid=stMetricValue]").first
    expect(value).to_have_text(str(digit), timeout=ANSWER_MS)
