"""Visitors of the Draw page without a browser: they speak Streamlit's own protocol over its WebSocket.

Each is a session of its own to the server, which runs the page for it exactly as for a browser: what arrives is the
same, only nobody paints it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

_PATIENCE_S: Final = 60.0
_LARGEST_MESSAGE: Final = 2**26


@dataclass
class Visitor:
    """One session on the Draw page. `digits` is what the cards say now, by their place on the page."""

    socket: ClientConnection
    canvas: str = ""
    fragment: str = ""
    page: str = ""
    digits: dict[tuple[int, ...], str] = field(default_factory=dict)
    seq: int = 0

    @classmethod
    async def arrive(cls, url: str) -> Visitor:
        """Open the page and wait until it is drawn. `url` is the dashboard's."""
        address = url.replace("http", "ws", 1) + "/_stcore/stream"
        socket = await connect(
            address,
            subprotocols=[Subprotocol("streamlit")],
            origin=url,
            max_size=_LARGEST_MESSAGE,  # type: ignore[arg-type]
        )
        visitor = cls(socket=socket)
        message = BackMsg()
        message.rerun_script.page_name = "draw"
        await visitor._ask(message)
        assert visitor.canvas, "the page has no canvas: nothing is deployed"
        return visitor

    async def draw(self, strokes: Sequence[dict[str, Any]]) -> float:
        """Let the drawing be `strokes` and wait for the answers; seconds from sending to the end of the run."""
        self.seq += 1
        message = BackMsg()
        run = message.rerun_script
        run.page_name, run.page_script_hash, run.fragment_id = "draw", self.page, self.fragment
        state = run.widget_states.widgets.add()
        state.id = self.canvas
        state.json_value = json.dumps({"drawing": {"strokes": list(strokes), "seq": self.seq}})
        self.digits.clear()
        return await self._ask(message)

    async def leave(self) -> None:
        await self.socket.close()

    async def _ask(self, message: BackMsg) -> float:
        begun = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                answer = ForwardMsg.FromString(bytes(await self.socket.recv()))  # type: ignore[arg-type]
                if self._heard(answer):
                    return time.perf_counter() - begun

    def _heard(self, answer: ForwardMsg) -> bool:
        """Keep what matters; whether the run has ended."""
        kind = answer.WhichOneof("type")
        if kind == "new_session":
            self.page = answer.new_session.page_script_hash
        elif kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
            element = answer.delta.new_element
            if element.WhichOneof("type") == "bidi_component" and "digit_canvas" in element.bidi_component.id:
                self.canvas, self.fragment = element.bidi_component.id, answer.delta.fragment_id
            if element.WhichOneof("type") == "metric" and element.metric.label == "Digit":
                self.digits[tuple(answer.metadata.delta_path)] = element.metric.body
        return kind == "script_finished"


async def keep_drawing(
    visitor: Visitor,
    drawings: Sequence[Sequence[dict[str, Any]]],
    until: asyncio.Event,
    *,
    pause_s: float,
    offset: float,
) -> list[float]:
    """Draw one after the other, over and over, with a pause after each answer; seconds that each took."""
    took: list[float] = []
    await asyncio.sleep(offset)
    while not until.is_set():
        for strokes in drawings:
            took.append(await visitor.draw(strokes))
            assert all(digit in "0123456789" for digit in visitor.digits.values()), visitor.digits
            assert len(visitor.digits) == 2, f"expected answers of both stages: {visitor.digits}"
            await asyncio.sleep(pause_s)
            if until.is_set():
                break
    return took
