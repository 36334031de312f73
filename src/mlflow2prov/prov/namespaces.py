"""The namespaces that documents of ours use, and those that PROV itself fixes."""

from __future__ import annotations

PROV = "http://www.w3.org/ns/prov#"
XSD = "http://www.w3.org/2001/XMLSchema#"

STANDARD_PREFIXES: dict[str, str] = {"prov": PROV, "xsd": XSD}
"""Prefixes that PROV-JSON and PROV-N declare by themselves (PROV-N, section 3.7.1)."""

M2P = "https://w3id.org/mlflow2prov#"
"""The vocabulary: every type, attribute and role that is ours."""

GIT = "https://w3id.org/mlflow2prov/git/"
"""What Git addresses by content: the same in every clone."""

AGENT = "https://w3id.org/mlflow2prov/agent/"
"""People known by their e-mail address, and software: the same in every document."""

EXTRACTION = "https://w3id.org/mlflow2prov/extraction/"
"""Extractions, named by the states that they read."""

QUALIFIED_NAME = "xsd:QName"
"""The datatype under which a qualified name stands as a value (PROV-JSON, section 2.2)."""

QUALIFIED_NAME_SPELLINGS = frozenset({QUALIFIED_NAME, "prov:QUALIFIED_NAME", "xsd:qname"})
"""That datatype, as it and as documents of others spell it."""
