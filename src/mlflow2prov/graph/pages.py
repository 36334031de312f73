"""Pages for people: titled tables and texts, as Markdown, HTML and JSON."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlflow2prov.errors import UsageError
from mlflow2prov.prov.text import markdown_cell

MOST_ROWS = 200
"""How many rows of a table a page shows; JSON has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a page.

    Attributes:
        name: as JSON calls it.
        title: for people.
        columns: the headings of the table.
        rows: its rows: text, numbers, instants, truth values, lists or None.
        note: a sentence below the title, such as why there are no rows.
        text: a text to show as it is, such as differences of files.
    """

    name: str
    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    note: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page: its title, facts about it as a whole, and its parts."""

    title: str
    summary: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    def text(self, format: str = "markdown") -> str:  # noqa: A002
        r"""Return the page as ``markdown``, ``html``, ``json`` or ``table`` (plain text).

        Raises:
            UsageError: there is no such format.

        >>> print(Page(title="a<b", parts=(Part(name="p", title="P", columns=("x",), rows=((1,),)),)).text())
        # a\<b
        <BLANKLINE>
        ## P
        <BLANKLINE>
        | x |
        | --- |
        | 1 |
        <BLANKLINE>
        """
        if format not in RENDERERS:
            raise UsageError(f"no format {format!r} of pages; there is: {', '.join(RENDERERS)}")
        return RENDERERS[format](self)


def shown(value: Any) -> str:
    """Return a value as people read it.

    >>> shown(None), shown(True), shown(["a", "b"]), shown(0.25)
    ('', 'yes', 'a, b', '0.25')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _rows(part: Part) -> list[list[str]]:
    rows = [[shown(value) for value in row] for row in part.rows[:MOST_ROWS]]
    if len(part.rows) > MOST_ROWS:
        rows.append([f"… {len(part.rows) - MOST_ROWS:,} more"] + [""] * (len(part.columns) - 1))
    return rows


def _markdown(page: Page) -> str:
    pieces = [f"# {markdown_cell(page.title)}"]
    if page.summary:
        pieces.append(markdown_cell(page.summary))
    for part in page.parts:
        pieces.append(f"## {markdown_cell(part.title)}")
        if part.note:
            pieces.append(markdown_cell(part.note))
        if part.rows:
            lines = [[markdown_cell(one) for one in part.columns], ["---"] * len(part.columns)]
            lines += [[markdown_cell(value) for value in row] for row in _rows(part)]
            pieces.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
        if part.text:
            longest = max([2, *(len(run) for run in re.findall("`+", part.text))])
            fence = "`" * (longest + 1)
            pieces.append(f"{fence}diff\n{_in_order(part.text.rstrip())}\n{fence}")
    return "\n\n".join(pieces) + "\n"


def _plain(page: Page) -> str:
    lines = [_visible(page.title), *([_visible(page.summary)] if page.summary else [])]
    for part in page.parts:
        lines += ["", _visible(part.title), "─" * len(_visible(part.title))]
        lines += [_visible(part.note)] if part.note else []
        if part.rows:
            rows = [[_cut(value) for value in row] for row in [list(part.columns), *_rows(part)]]
            widths = [max(len(row[n]) for row in rows) for n in range(len(part.columns))]
            for row in rows:
                pairs = zip(row, widths, strict=True)
                lines.append("  ".join(text.ljust(width) for text, width in pairs).rstrip())
        lines += [_visible(line) for line in part.text.splitlines()]
    return "\n".join(lines) + "\n"


def _cut(text: str) -> str:
    line = _visible(" ".join(text.split()))
    return line if len(line) <= 100 else f"{line[:99]}…"


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


_TURNING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Controls, and what turns the direction of writing, so that code looks like other code than it is."""


def _in_order(text: str) -> str:
    """Return a text that is shown in the order in which it is written."""
    return _TURNING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _escaped(text: str) -> str:
    """Return a text for HTML."""
    return html.escape(_in_order(text))


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2530; background: #fff; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; }
.summary { font-size: 1.05rem; margin: .2rem 0 1rem; } .note { color: #55606e; margin: .3rem 0; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th { text-align: left; color: #55606e; font-weight: 600; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #e2e6ea; vertical-align: top; min-width: 4rem; }
h1, h2, p, .long { overflow-wrap: anywhere; }
pre { background: #f5f7f9; padding: .8rem; overflow-x: auto; font-size: .85rem; }
.add { color: #1a7f37; } .del { color: #b42318; }
@media (prefers-color-scheme: dark) { body { color: #e3e8ee; background: #14191f; }
  th, .note { color: #9aa7b5; } th, td { border-color: #2b343e; } pre { background: #1c232b; }
  .add { color: #4cc26b; } .del { color: #ff8a7a; } }
@media (max-width: 40rem) { table, tbody, tr { display: block; } thead { display: none; }
  tr { padding: .5rem 0; border-bottom: 1px solid #e2e6ea; } td:empty { display: none; }
  td { display: flow-root; padding: .05rem 0 .05rem 7.5rem; border: 0; overflow-wrap: anywhere; }
  td::before { content: attr(data-column); float: left; width: 7rem; margin-left: -7.5rem; color: #55606e; } }
@media (max-width: 40rem) and (prefers-color-scheme: dark) { tr { border-color: #2b343e; }
  td::before { color: #9aa7b5; } }
"""
"""On a narrow screen each row is a list of its values, each beside the heading of its column."""

_LONG = re.compile(r"\S{28,}")
"""What may be broken in a column that is too narrow for it: the hash of a commit, not a word."""


def _html(page: Page) -> str:
    escape = _escaped
    pieces = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(page.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
        f"<h1>{escape(page.title)}</h1>",
        *([f'<p class="summary">{escape(page.summary)}</p>'] if page.summary else []),
        *(piece for part in page.parts for piece in _html_part(part)),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(pieces)


def _html_part(part: Part) -> list[str]:
    escape = _escaped
    pieces = [f'<section id="{escape(part.name)}">', f"<h2>{escape(part.title)}</h2>"]
    if part.note:
        pieces.append(f'<p class="note">{escape(part.note)}</p>')
    if part.rows:
        head = "".join(f'<th scope="col">{escape(one)}</th>' for one in part.columns)
        pieces.append(f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>')
        pieces += ["<tr>" + "".join(map(_html_cell, part.columns, row)) + "</tr>" for row in _rows(part)]
        pieces.append("</tbody>\n</table></div>")
    if part.text:
        pieces.append("<pre>" + "\n".join(_html_line(line) for line in part.text.splitlines()) + "</pre>")
    return [*pieces, "</section>"]


def _html_cell(column: str, value: str) -> str:
    pieces, end = [], 0
    for found in _LONG.finditer(value):
        pieces.append(f'{_escaped(value[end : found.start()])}<span class="long">{_escaped(found[0])}</span>')
        end = found.end()
    return f'<td data-column="{_escaped(column)}">{"".join(pieces)}{_escaped(value[end:])}</td>'


def _html_line(line: str) -> str:
    kind = {"+": "add", "-": "del"}.get(line[:1])
    text = _escaped(line)
    return f'<span class="{kind}">{text}</span>' if kind else text


def _json(page: Page) -> str:
    document: dict[str, Any] = {"title": page.title, "summary": page.summary, **page.facts}
    for part in page.parts:
        body: dict[str, Any] = {"title": part.title}
        body |= {"note": part.note} if part.note else {}
        body["rows"] = [dict(zip(part.columns, map(_value, row), strict=True)) for row in part.rows]
        body |= {"text": part.text} if part.text else {}
        document[part.name] = body
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value


RENDERERS: dict[str, Callable[[Page], str]] = {
    "markdown": _markdown,
    "html": _html,
    "json": _json,
    "table": _plain,
}
"""The forms of a page."""
