"""The evidence of a deployment as one HTML file, to keep and to print: it loads nothing from anywhere."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import Final

from PIL import Image

from backend.domain.evidence import Evidence
from backend.services.evidence_sections import Picture, Section, exact, headline, sections

_SIDE: Final = 28
_STYLE: Final = """
:root { color-scheme: light dark; --line: light-dark(#d9dde6, #333b4a); --quiet: light-dark(#5d6479, #a3adbf); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p, .id { color: var(--quiet); margin: 0 0 .75rem; }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; font-variant-numeric: tabular-nums; }
th { font-weight: 600; } .facts td { overflow-wrap: anywhere; } .facts td:first-child { width: 11rem; }
.images { display: flex; flex-wrap: wrap; gap: .75rem; } figure { margin: 0; text-align: center; font-size: .8rem; }
figure img { width: 56px; height: 56px; image-rendering: pixelated; border-radius: 4px; display: block; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2, tr { break-inside: avoid; } }
"""


def evidence_html(evidence: Evidence) -> str:
    """Everything that came from outside (names, comments, errors) is escaped; there is no script."""
    title = escape(headline(evidence))
    body = "\n".join(_section(section) for section in sections(evidence))
    deployment = escape(evidence.deployment.id)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{deployment}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<style>{_STYLE}</style></head>
<body><h1>{title}</h1><p>Evidence of deployment {deployment}, put together {exact(evidence.at)} by Digit Ops.</p>
{body}
</body></html>
"""


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    if section.sentence:
        parts.append(f"<p>{escape(section.sentence)}</p>")
    if section.facts:
        parts.append(_table((), section.facts))
    if section.columns:
        parts.append(_table(section.columns, section.rows))
    if section.images:
        parts.append(f'<div class="images">{"".join(map(_figure, section.images))}</div>')
    return "\n".join(parts)


def _figure(picture: Picture) -> str:
    """Within the file, as data."""
    file = io.BytesIO()
    Image.frombytes("L", (_SIDE, _SIDE), picture.pixels).save(file, "PNG", optimize=True)
    data = b64encode(file.getvalue()).decode()
    told = escape(picture.told)
    return f'<figure><img src="data:image/png;base64,{data}" alt="{told}"><figcaption>{told}</figcaption></figure>'


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = f"<thead>{_row('th', columns)}</thead>" if columns else ""
    body = "".join(_row("td", row) for row in rows)
    kind = "wide" if columns else "wide facts"
    return f'<div class="{kind}"><table>{head}<tbody>{body}</tbody></table></div>'


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
