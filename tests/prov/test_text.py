from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow2prov.prov.text import clean_text, text_of


@pytest.mark.parametrize(
    ("path", "text", "exact"),
    [
        (b"src/train.py", "src/train.py", None),
        ('Zoë\'s "x"\t\n\\x41.csv'.encode(), 'Zoë\'s "x"\t\n\\x41.csv', None),
        (b"caf\xe9", "caf\\xe9", b"caf\xe9"),
        (b"a\x01b\x0c", "a\\x01b\\x0c", b"a\x01b\x0c"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80", b"\xed\xa0\x80"),
        ("\uffff-\ufffe".encode(), "\\xef\\xbf\\xbf-\\xef\\xbf\\xbe", "\uffff-\ufffe".encode()),
        ("\x7f\U0001f600".encode(), "\x7f\U0001f600", None),
    ],
)
def test_a_path_is_text_and_its_bytes_are_kept_where_the_text_is_not_exact(
    path: bytes, text: str, exact: bytes | None
) -> None:
    assert text_of(path) == (text, exact)
    assert clean_text(path) == text


@given(st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_text_is_of_characters_that_xml_can_hold_and_says_when_it_is_exact(path: bytes) -> None:
    text, exact = text_of(path)
    assert all(c in "\t\n\r" or " " <= c < "\ufffe" or c > "\uffff" for c in text)
    text.encode("utf-8")
    assert exact == (None if text.encode() == path else path)
