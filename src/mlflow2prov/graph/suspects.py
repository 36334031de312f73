"""SQL that tells cheaply which values may name somebody, so that few of them are looked at closely.

The conditions are regular expressions for the engine, which reads a value in a fraction of a
microsecond. They let too much through, never too little: what they leave out, a mask would leave as it
is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlflow2prov.graph.needles import Needle, Rule
from mlflow2prov.graph.reading import LETTERS
from mlflow2prov.graph.store import Store

_TOGETHER = 2000
"""So many words are in one expression; measured, the engine slows down beyond some 5,000."""

_HEX = "[0-9a-f]"
_LETTER = f"(?:3[0-9]|[46][1-9a-f]|[57][0-9a]|[89a-f]{_HEX})"
"""The hexadecimal value of a letter, a digit or a byte beyond ASCII, in lower case."""

_FORMS = (
    "aa ad b2 b3 b5 b9 ba bc-be 133 138 140 149 17f 1c4-1cc 1f1-1f3 2b0-2b8 2e0-2e4 37a 3d0-3d6 3f0-3f9 "
    "587 61c 640 675-678 e33 eb3 edc edd 10fc 115f 1160 13a0-13fd 17b4 17b5 180b-180f 1c80-1c88 1d2c-1dbf "
    "1e9a-1e9e 200b-200f 202a-202e 2060-20a8 2100-2189 2460-24ea 2c7c 2c7d 2d6f 2e9f 2ef3-2fd5 3038-303a "
    "309f 30ff 3131-33ff a69c a69d a770 a7f2-a7f9 ab5c-abbf fb00-fdff fe70-fefc feff ff10-ff19 ff21-ff3a "
    "ff41-ff5a ff66-ffdc fff0-fffb 10780-107ba 1bca0-1bca3 1d173-1d17a 1d400-1d7ff 1ee00-1eebb "
    "1f100-1f2ff 1fbf0-1fbf9 e0000-e0fff"
)
"""Where characters are that read otherwise than the engine has them; a test looks at each there is."""

_ALWAYS = (
    f"[{re.sub('[0-9a-f]+', lambda number: chr(92) + f'x{{{number[0]}}}', _FORMS).replace(' ', '')}]",
    "@",  # addresses, whoever's
    "%40",
    r"(?:home|users)(?:[/\\%&]|-2f|-5c)",  # home folders
    r"\\\\*[ux23]",  # escapes that may stand for letters
    "&#?[0-9a-z]+;",
    "%25",
    f"%{_LETTER}",
)
_IN_NAMES = f"(?:^|[^-])(?:--)*-(?:40|{_LETTER})"
_IN_TEXTS = f"-[c-f]{_HEX}-[89ab]{_HEX}"

_BEFORE = f"(?:^|[^a-z0-9_-]|[-%]{_HEX}{_HEX}|--)"
_AFTER = f"(?:$|[^a-z0-9_-]|-{_HEX}{_HEX}|--)"

_BLANKS = f"(?:[^a-z0-9]|[-%]{_HEX}{_HEX})*"
"""What may stand around the only letter of a text, also as escapes."""


class Suspects:
    """Conditions in SQL for values that may name somebody."""

    def __init__(self, store: Store, needles: Iterable[Needle]) -> None:
        anywhere: set[str] = set()
        own: set[str] = set()
        whole: set[str] = set()
        for needle in sorted(needles, key=lambda one: len(one.text)):
            if needle.rule is Rule.WHOLE:
                whole.add(needle.text)
            elif needle.rule is Rule.OWN_WORD:
                own.add(max(needle.text.split(), key=len))
            else:
                _cover(needle.text, anywhere)
        words = [
            *_folded(store, anywhere),
            *(f"{_BEFORE}{word}{_AFTER}" for word in _folded(store, own)),
            *(f"^{_BLANKS}{word}{_BLANKS}$" for word in _folded(store, whole)),
        ]
        self._patterns = [
            "|".join(words[start : start + _TOGETHER]) for start in range(0, len(words), _TOGETHER)
        ]

    def text(self, value: str) -> str:
        """SQL of whether a text may name somebody."""
        return self._condition(value, (*_ALWAYS, _IN_TEXTS))

    def name(self, value: str) -> str:
        """SQL of whether an identifier, or a part of one, may name somebody."""
        return self._condition(value, (*_ALWAYS, _IN_NAMES))

    def _condition(self, value: str, always: Iterable[str]) -> str:
        patterns = ["|".join(always), *self._patterns]
        tests = [f"regexp_matches({folded_sql(value)}, '{pattern}')" for pattern in patterns]
        tests.append(f"contains({value}, chr(0))")  # where the engine's strip_accents ends
        return f"({' OR '.join(tests)})"


def folded_sql(value: str) -> str:
    """SQL of a text without accents, in lower case, with other letters for those that stand for some.

    What else :func:`mlflow2prov.graph.reading.folded` knows is suspected whatever it reads.
    """
    folded = f"lower(strip_accents({value}))"
    for letter, plain in {**LETTERS, "ß": "ss", "ς": "σ"}.items():
        folded = f"replace({folded}, '{letter}', '{plain}')"
    return f"CASE WHEN strlen({value}) = length({value}) THEN lower({value}) ELSE {folded} END"


def _cover(text: str, words: set[str]) -> None:
    """Add a word of a text, unless one that is there stands in the text, too."""
    for word in text.split():
        for start in range(len(word)):
            if any(word[start:end] in words for end in range(start + 1, len(word) + 1)):
                return
    words.add(max(text.split(), key=len))


def _folded(store: Store, words: set[str]) -> list[str]:
    if not words:
        return []
    rows = store.run(
        f"SELECT DISTINCT {folded_sql('word')} FROM (SELECT unnest(?) AS word) ORDER BY 1", [sorted(words)]
    )
    return [word for (word,) in rows if word]
