"""Which runs are looked at, as one word of the address: some by name, all that fit but for some, or the first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

FIRST: Final = 8
"""Rows of the table that are drawn when nobody has chosen: the page opens with a picture, and a legend to read."""
_NONE, _ALL, _NOT, _BETWEEN = "none", "all", "!", ","


@dataclass(frozen=True, kw_only=True)
class Selection:
    """`keys` are the chosen runs in the order of their choice, or with `everything` those that were left out."""

    keys: tuple[str, ...] = ()
    everything: bool = False
    by_default: bool = False

    @property
    def word(self) -> str:
        """As the address keeps it; empty for the default."""
        if self.by_default:
            return ""
        if self.everything:
            return _BETWEEN.join([_ALL, *(_NOT + key for key in self.keys)])
        return _BETWEEN.join(self.keys) or _NONE

    def chosen(self, fitting: Sequence[str], known: Collection[str]) -> list[str]:
        """Keys of the chosen runs. `fitting` are those that the filter leaves, in their order, `known` all there are.

        Runs that were chosen by name stay chosen when the filter no longer shows them, as in any list.
        """
        if self.by_default:
            return list(fitting[:FIRST])
        if self.everything:
            left_out = set(self.keys)
            return [key for key in fitting if key not in left_out]
        return [key for key in self.keys if key in known]

    def ticked(self, shown: Sequence[str], ticked: Collection[str], fitting: Sequence[str]) -> Selection:
        """After the boxes of the rows `shown` were changed to `ticked`; what other pages of the table chose stays."""
        if self.everything:
            left_out = [key for key in self.keys if key not in shown]
            return Selection(keys=(*left_out, *(key for key in shown if key not in ticked)), everything=True)
        before = self.chosen(fitting, {*self.keys, *fitting})
        kept = [key for key in before if key not in shown or key in ticked]
        return Selection(keys=(*kept, *(key for key in shown if key in ticked and key not in kept)))


def parse_selection(word: str) -> Selection:
    """What an address says; nothing is the default."""
    word = word.strip()
    if not word:
        return Selection(by_default=True)
    if word == _NONE:
        return Selection()
    first, *others = (part for part in word.split(_BETWEEN) if part)
    if first == _ALL:
        return Selection(keys=tuple(part[1:] for part in others if part.startswith(_NOT)), everything=True)
    return Selection(keys=tuple(dict.fromkeys((first, *others))))
