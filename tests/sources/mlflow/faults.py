"""What may go wrong between an MLflow server and who reads it: one entry for each, for a door to provoke."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from servers import Answer, Request

Spoiler = Callable[[Request, Answer], Answer]

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}
GIGABYTE = 1_000_000_000


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        spoil: what becomes of the server's answer to a request.
        told: a pattern of what is said where it goes wrong again and again; None where that does no harm.
        passes: whether it is survived where it happens once to each request.
    """

    spoil: Spoiler
    told: str | None
    passes: bool = True


def _answers(status: int, **headers: str) -> Spoiler:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _, __: Answer(status, b"", named)


def _cut(_: Request, answer: Answer) -> Answer:
    assert isinstance(answer.body, bytes)
    return replace(answer, body=answer.body[: len(answer.body) // 2], cut=True)


def _truncated(_: Request, answer: Answer) -> Answer:
    assert isinstance(answer.body, bytes)
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def _next_second(_: Request, __: Answer) -> Answer:
    moment = datetime.now(UTC) + timedelta(seconds=1)
    return Answer(503, b"", {"Retry-After": format_datetime(moment, usegmt=True)})


def _redirected(request: Request, _: Answer) -> Answer:
    return Answer(302, b"", {"Location": request.path, "Retry-After": "86400"})


def _pages_without_end(_: Request, __: Answer) -> Answer:
    return Answer(200, json.dumps({"runs": [], "next_page_token": uuid.uuid4().hex}).encode(), JSON)


def _same_page_without_end() -> Spoiler:
    pages: dict[str, bytes] = {}

    def spoil(request: Request, answer: Answer) -> Answer:
        assert isinstance(answer.body, bytes)
        page = pages.setdefault(request.path.partition("?")[0], answer.body)  # the first one, ever again
        return Answer(
            200, json.dumps(json.loads(page) | {"next_page_token": uuid.uuid4().hex}).encode(), JSON
        )

    return spoil


def _huge(_: Request, __: Answer) -> Answer:
    def spaces() -> Iterator[bytes]:
        for _ in range(GIGABYTE // 1_000_000):
            yield b" " * 1_000_000

    return Answer(200, spaces(), JSON, length=GIGABYTE)


def _bomb(_: Request, __: Answer) -> Answer:
    megabyte = gzip.compress(b" " * 1_000_000)
    return Answer(200, megabyte * (GIGABYTE // 1_000_000), JSON | {"Content-Encoding": "gzip"})


def _spoiled_gzip(_: Request, answer: Answer) -> Answer:
    return replace(answer, body=b"\x1f\x8b no gzip at all", headers=JSON | {"Content-Encoding": "gzip"})


_BROKE = "broke the connection in the middle of an answer"
_MORE = "answered with more than"
FAULTS: dict[str, Fault] = {
    "a delay": Fault(lambda _, it: replace(it, delay_s=0.05), None),
    "a delay beyond patience": Fault(
        lambda _, it: replace(it, delay_s=0.8), r"did not answer .* within 0\.5 s"
    ),
    "an end in the middle": Fault(_cut, _BROKE),
    "an end before the answer": Fault(lambda _, it: replace(it, hangs_up=True), _BROKE),
    "500": Fault(_answers(500), "error 500"),
    "502 with a web page": Fault(lambda _, __: Answer(502, b"<html>bad gateway</html>", HTML), "error 502"),
    "503 until a moment": Fault(_next_second, "error 503"),
    "429": Fault(_answers(429), "asked too often .429.; set --concurrency lower"),
    "429 for a second": Fault(_answers(429, Retry_After="1"), "asked too often"),
    "429 for no time that one can read": Fault(_answers(429, Retry_After="soon"), "asked too often"),
    "JSON that ends early": Fault(_truncated, "JSON that can't be understood"),
    "a web page": Fault(
        lambda _, __: Answer(200, b"<!doctype html><title>Hi</title>", HTML), "a web page instead of"
    ),
    "nothing": Fault(lambda _, __: Answer(200, b"", JSON), "answered with nothing at all"),
    "a wrong type": Fault(lambda _, it: replace(it, headers={"Content-Type": "image/png"}), None),
    "no gzip": Fault(_spoiled_gzip, "compression is broken"),
    "a redirection to itself": Fault(_redirected, "leads elsewhere again and again"),
    "pages without end": Fault(
        _pages_without_end, "goes on after 50 pages without anything new", passes=False
    ),
    "a page without end": Fault(_same_page_without_end(), "goes on after 50 pages without", passes=False),
    "a gigabyte": Fault(_huge, _MORE, passes=False),
    "a bomb": Fault(_bomb, _MORE, passes=False),
}
"""Every fault, by what it is called."""


def once_each(names: list[str]) -> Spoiler:
    """Spoils the first answer to each request, with the faults of these names in turn."""
    met: set[tuple[str, str]] = set()

    def spoil(request: Request, answer: Answer) -> Answer:
        key = request.method, request.path
        if key in met or answer.status != 200:
            return answer
        met.add(key)
        return FAULTS[names[len(met) % len(names)]].spoil(request, answer)

    return spoil
