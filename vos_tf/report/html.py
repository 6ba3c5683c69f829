"""The pieces of a self-contained HTML page: shell, sortable tables, figures. No outside links."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from vos_tf.report.overlays import Picture, encode_picture
from vos_tf.version import __version__

STYLE = """
:root{--ink:#1b1f24;--soft:#5b6470;--line:#dfe3e8;--paper:#fbfbfa;--card:#fff;--accent:#0b6bcb;--bar:#d7e8fa}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 24px 64px}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:48px 0 12px;padding-top:18px;border-top:1px solid var(--line)}
h3{font-size:1.08rem;margin:30px 0 8px;display:flex;flex-wrap:wrap;gap:4px 14px;align-items:baseline}
h3 small{font-weight:400}
p{margin:6px 0;max-width:75ch}
small,.soft,figcaption{color:var(--soft)}
code{font:.92em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:22px 0 12px}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 16px}
.card b{display:block;font-size:1.75rem;line-height:1.2;font-variant-numeric:tabular-nums;letter-spacing:-.02em}
.card.main{background:var(--ink);border-color:var(--ink);color:#fff}
.card.main small{color:#c5ccd4}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:12px;background:var(--card)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:7px 14px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
tbody tr:last-child td{border-bottom:0}
tbody tr:hover{background:#f3f6f9}
th{font-weight:600;background:#f4f5f7;cursor:pointer;user-select:none}
th:focus-visible{outline:2px solid var(--accent);outline-offset:-2px}
th::after{content:"";display:inline-block;width:.9em;color:var(--accent)}
th[aria-sort=ascending]::after{content:" \\2191"}
th[aria-sort=descending]::after{content:" \\2193"}
th.text,td.text{text-align:left}
td.bar{background:linear-gradient(90deg,var(--bar) var(--share),transparent var(--share)) no-repeat;
background-size:100% 100%}
td.good{color:#0a7a3b}td.bad{color:#b3261e}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:14px}
.plots svg{width:100%;height:auto;background:var(--card);border:1px solid var(--line);border-radius:12px;display:block}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(46%,250px),1fr));gap:10px;margin:12px 0}
.tiles.five{grid-template-columns:repeat(auto-fill,minmax(min(46%,200px),1fr))}
figure{margin:0}
figure img{width:100%;height:auto;display:block;border-radius:8px}
figcaption{font-size:.86rem;padding:4px 2px;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.key{display:inline-flex;align-items:center;gap:6px;margin-right:14px;font-size:.88rem;color:var(--soft)}
.key i{width:18px;height:0;border-top:3px solid}
details{margin:10px 0}
summary{cursor:pointer;color:var(--accent)}
ul{margin:6px 0;padding-left:22px}
footer{margin-top:56px;border-top:1px solid var(--line);padding-top:14px;font-size:.88rem;color:var(--soft)}
@media(max-width:560px){main{padding:18px 14px 48px}h1{font-size:1.45rem}.card b{font-size:1.4rem}
.cards{grid-template-columns:repeat(3,1fr);gap:8px}.card{padding:10px 12px}.card.main{grid-column:1/-1}
th,td{padding:7px 9px}th.minor,td.minor{display:none}}
@media print{.scroll{overflow:visible}section{break-inside:avoid}}
"""

SCRIPT = """
for(const head of document.querySelectorAll("th")){
  const sort=()=>{
    const table=head.closest("table"),column=head.cellIndex,body=table.tBodies[0];
    const down=head.getAttribute("aria-sort")==="ascending";
    for(const other of table.querySelectorAll("th"))other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort",down?"descending":"ascending");
    const key=row=>row.cells[column].dataset.value??row.cells[column].textContent;
    const rows=[...body.rows].sort((a,b)=>{
      const [x,y]=[key(a),key(b)],[m,n]=[parseFloat(x),parseFloat(y)];
      const order=isNaN(m)&&isNaN(n)?x.localeCompare(y):isNaN(m)?1:isNaN(n)?-1:m-n;
      return down?-order:order;
    });
    body.append(...rows);
  };
  head.tabIndex=0;
  head.addEventListener("click",sort);
  head.addEventListener("keydown",event=>{if(event.key==="Enter"||event.key===" "){event.preventDefault();sort()}});
}
"""


MINOR = "minor"
"""Kind of the cells that a phone does not show; `table_html` hides their heading too."""


class Cell(NamedTuple):
    """One cell of a table.

    Attributes:
        html: What it shows, as HTML.
        value: What it sorts by; ``None``: its text.
        share: Length of a bar behind it, 0..1; ``None``: no bar.
        kind: CSS classes.
    """

    html: str
    value: float | None = None
    share: float | None = None
    kind: str = ""


def text_cell(text: str, link: str = "") -> Cell:
    """A cell of text, aligned left; ``link`` makes it lead somewhere on the page."""
    content = escape(text)
    return Cell(f'<a href="#{escape(link)}">{content}</a>' if link else content, kind="text")


def number_cell(value: float, *, bar: bool = False, digits: int = 3, signed: bool = False) -> Cell:
    """A cell with a number; ``bar`` shows it as a bar of 0..1 too."""
    if math.isnan(value):
        return Cell("&ndash;", math.nan)
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return Cell(text.replace("-", "&minus;"), value, min(max(value, 0.0), 1.0) if bar else None)


def table_html(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table that sorts by a click on a heading; a column is of the kind of its first cell."""
    lines = list(rows)
    kinds = [cell.kind for cell in lines[0]] if lines else [""] * len(columns)
    heads = "".join(
        f'<th scope="col" class="{kind}">{escape(column)}</th>' for column, kind in zip(columns, kinds, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_cell_html, row))}</tr>" for row in lines)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def figure_html(picture: Picture, caption: str, alternative: str) -> str:
    """A picture, held in the page itself, with a caption."""
    data = base64.b64encode(encode_picture(picture)).decode()
    height, width = picture.shape[:2]
    return (
        f'<figure><img loading="lazy" width="{width}" height="{height}" alt="{escape(alternative)}" '
        f'src="data:image/jpeg;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )


def card_html(value: str, label: str, *, main: bool = False) -> str:
    """A number that is meant to be seen first."""
    return f'<div class="card{" main" if main else ""}"><b>{escape(value)}</b><small>{escape(label)}</small></div>'


def list_html(lines: Iterable[str]) -> str:
    """A list of sentences."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def page_html(title: str, body: Iterable[str]) -> str:
    """A whole page; ``title`` is plain text, ``body`` HTML."""
    parts = "\n".join(body)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><style>{STYLE}</style></head>\n<body><main>\n{parts}\n'
        f"<footer>Made by vos_tf {__version__}.</footer></main><script>{SCRIPT}</script></body></html>\n"
    )


def _cell_html(cell: Cell) -> str:
    kinds = " ".join(filter(None, (cell.kind, "bar" if cell.share is not None else "")))
    parts = [f' class="{kinds}"' if kinds else ""]
    if cell.value is not None:
        parts.append(f' data-value="{"" if math.isnan(cell.value) else cell.value}"')
    if cell.share is not None:
        parts.append(f' style="--share:{100 * cell.share:.1f}%"')
    return f"<td{''.join(parts)}>{cell.html}</td>"
