"""Servers that all tests of sinks share, and the graph that they push."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from databases import Server, running

from mlflow2prov import Graph, extract


@pytest.fixture(scope="package")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Start the server of a sink when it is first asked for; who harms it mends it.

    After a comma stands what makes a server another one: SecantusDB forgets at its death that it dropped a
    collection, so that one is killed which nothing else is in.
    """
    servers: dict[str, Server] = {}
    with ExitStack() as stack:

        def start(name: str) -> Server:
            if name not in servers:
                servers[name] = stack.enter_context(
                    running(name.partition(",")[0], tmp_path_factory.mktemp(name.replace(", ", "-")))
                )
            return servers[name]

        yield start


@pytest.fixture(scope="package")
def demo(demo_project: Any) -> Graph:
    """The graph of the demo project."""
    return extract(demo_project.repository, f"sqlite:///{demo_project.database}")
