"""Making text that XML 1.0 can hold out of bytes."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote_from_bytes

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What XML 1.0 (section 2.2) has no place for; the surrogates can't come out of UTF-8."""

_CONTROLS = bytes({*range(32)} - {*b"\t\n\r"})
"""The bytes of those that are one byte; the others begin with the bytes EF and BF."""


def clean_text(value: bytes) -> str:
    r"""Return the text of a message or a name, whatever bytes it is made of.

    Bytes that are not UTF-8, and the bytes of characters that XML 1.0 forbids, are shown as ``\xNN``
    (two lower-case hexadecimal digits); the rest is itself. There is never a lone surrogate in it.

    >>> clean_text("Zoë".encode()), clean_text(b"Zo\xeb\x00"), clean_text(b"a\tb\n")
    ('Zoë', 'Zo\\xeb\\x00', 'a\tb\n')
    """
    text = value.decode("utf-8", "backslashreplace")
    if is_clean(value):
        return text
    return _NOT_XML.sub(_shown, text) if _NOT_XML.search(text) else text


def is_clean(value: bytes) -> bool:
    r"""Return whether bytes, if they are UTF-8, surely have no character that XML 1.0 forbids.

    >>> is_clean("Zoë\n".encode()), is_clean(b"\x00")
    (True, False)
    """
    return len(value.translate(None, _CONTROLS)) == len(value) and b"\xef\xbf" not in value


def text_of(path: bytes) -> tuple[str, bytes | None]:
    r"""Return the text that shows a path, and the path's exact bytes where the text does not say them.

    A path that is UTF-8 of characters that XML 1.0 can hold is its own text, and the second value is
    None; that goes for backslashes, quotes, tabs and newlines, too. Of any other path the text is that
    of :func:`clean_text`, and the second value is the path.

    >>> text_of(b"src/train.py"), text_of(b"caf\xe9.csv")
    (('src/train.py', None), ('caf\\xe9.csv', b'caf\xe9.csv'))
    """
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        return clean_text(path), path
    return (clean_text(path), path) if _NOT_XML.search(text) else (text, None)


def part(value: str | bytes) -> str:
    """Return one part of an identifier.

    >>> part("val/loss: 5 pc"), part("my-file.py")
    ('val-2Floss-3A-205-20pc', 'my-2Dfile.py')
    """
    raw = value.encode() if isinstance(value, str) else value
    return quote_from_bytes(raw, safe="").replace("-", "%2D").replace("~", "%7E").replace("%", "-")


def composed(text: str) -> tuple[str, ...]:
    r"""Return a path as it is spelled, and with its letters composed, and decomposed, where that is another spelling.

    macOS says decomposed ones of what Git has composed.

    >>> composed("a.py"), [len(path) for path in composed("\u00e9.py")]
    (('a.py',), [4, 5])
    """
    if text.isascii():
        return (text,)
    return tuple(
        dict.fromkeys((text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)))
    )


def _shown(character: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character[0].encode())


def markdown_cell(text: str) -> str:
    r"""Return a text as it stands in one line of Markdown, such as a cell of a table, without being markup.

    >>> print(markdown_cell("a|b <i>"))
    a\|b \<i\>
    """
    line = " ".join(text.split())
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
    return re.sub(r"([\\|`*<>\[\]&])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\\g<0>", line)


def commit_name(value: str) -> str:
    """Return SQL of a commit as Git spells it, by SQL of a text that names one.

    People who set the tag themselves have it with a newline at its end, or in capital letters.

    >>> commit_name("tag")
    "lower(trim(tag, ' ' || chr(9) || chr(10) || chr(13)))"
    """
    return f"lower(trim({value}, ' ' || chr(9) || chr(10) || chr(13)))"
