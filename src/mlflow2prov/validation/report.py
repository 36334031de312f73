"""What a validation says: every violation, as data, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlflow2prov.errors import UsageError

REPORT_FORMATS = ("text", "json")
"""The formats of :meth:`Report.text`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One violation of one rule.

    Attributes:
        constraint: the number of the constraint, such as ``23`` (``7.2`` is that of a section); ``DM`` for
            PROV-DM, ``LINKS`` for PROV-LINKS, ``SHACL`` for the shapes of the vocabulary.
        name: the name of the constraint, such as ``key-properties``.
        message: what is wrong.
        records: the records involved, in PROV-N without attributes.
        bundle: the bundle in which they stand; None is the document itself.
        through: the numbers of other inferences and constraints that lead to it.
    """

    constraint: str
    name: str
    message: str
    records: tuple[str, ...] = ()
    bundle: str | None = None
    through: tuple[str, ...] = ()

    @property
    def codes(self) -> frozenset[str]:
        """The number of the constraint, and those of what leads to it."""
        return frozenset((self.constraint, *self.through))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a validation.

    Attributes:
        violations: in the order of the constraints, then of the document.
        document: what the document is called, where several are validated.
    """

    violations: tuple[Violation, ...] = ()
    document: str = ""

    @property
    def is_valid(self) -> bool:
        """Whether there is no violation.

        >>> Report().is_valid
        True
        """
        return not self.violations

    def text(self, format: str = "text") -> str:  # noqa: A002
        """Return the report as ``text`` for people or as ``json``.

        Raises:
            UsageError: there is no such format.
        """
        writers: dict[str, Callable[[], str]] = {"text": self.to_text, "json": self.to_json}
        if format not in writers:
            raise UsageError(f"no format {format!r} of a report; there is: {', '.join(writers)}")
        return writers[format]()

    def to_text(self) -> str:
        """Return the verdict, and each violation with its records below it.

        >>> print(Report().to_text(), end="")
        valid
        """
        count = len(self.violations)
        verdict = f"invalid: {count:,} violation{'s' if count > 1 else ''}" if count else "valid"
        lines = [f"{self.document}: {verdict}" if self.document else verdict]
        for one in self.violations:
            through = f" (by {', '.join(one.through)})" if one.through else ""
            where = f" in bundle {one.bundle}" if one.bundle else ""
            lines.append(f"{one.constraint} {one.name}{through}{where}: {one.message}")
            lines += [f"    {record}" for record in one.records]
        return "".join(f"{_printable(line)}\n" for line in lines)

    def to_json(self) -> str:
        """Return a JSON object: ``document`` where it has a name, ``valid``, ``violations``.

        >>> print(Report().to_json(), end="")
        {
          "valid": true,
          "violations": []
        }
        """
        named: dict[str, Any] = {"document": self.document} if self.document else {}
        violations = [
            {
                "constraint": one.constraint,
                "name": one.name,
                "through": list(one.through),
                "bundle": one.bundle,
                "message": one.message,
                "records": list(one.records),
            }
            for one in self.violations
        ]
        shown = named | {"valid": self.is_valid, "violations": violations}
        return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def _printable(text: str) -> str:
    """The text with control characters, which a terminal would obey, shown as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
