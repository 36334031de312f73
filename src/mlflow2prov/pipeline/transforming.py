"""What ``transform`` does, in its order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow2prov.errors import UsageError
from mlflow2prov.graph.graph import Graph
from mlflow2prov.surroundings import Surroundings

if TYPE_CHECKING:
    from mlflow2prov.graph.agents import Person

log = logging.getLogger(__name__)


def transforms(options: dict[str, Any], surroundings: Surroundings) -> Iterator[Callable[[Graph], Graph]]:
    """What a transform does, in its order; files that it needs are read first, and once."""
    selection = {word: options[word] for word in ("types", "exclude_types", "since", "until")}
    if options["link"]:
        yield lambda graph: graph.link()
    if any(selection.values()):
        yield lambda graph: graph.select(**selection)
    people = _people(options["merge_aliased_agents"], options["mailmap"])
    if people:
        yield lambda graph: graph.merge_aliased_agents(people)
    if options["use_pseudonyms"]:
        key = pseudonym_key(options["pseudonym_key"], surroundings)
        keep = options["keep_free_text"]
        yield lambda graph: graph.use_pseudonyms(key, keep_free_text=keep)
    if options["eliminate_duplicates"]:
        yield lambda graph: graph.eliminate_duplicates()


def _people(aliases: str | None, mailmap: str | None) -> list[Person]:
    from mlflow2prov.graph.agents import people_of_mailmap, people_of_yaml

    people = people_of_yaml(Path(aliases)) if aliases else []
    return [*people, *(people_of_mailmap(Path(mailmap)) if mailmap else [])]


def pseudonym_key(file: str | Path | None, surroundings: Surroundings) -> bytes:
    """Return the secret key of pseudonyms: from a file, else the environment, else a random one.

    Raises:
        UsageError: the file can't be read, or the key is shorter than 16 bytes.
    """
    from mlflow2prov.graph.masking import require_secret

    if file:
        try:
            key = Path(file).read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise UsageError(f"can't read the pseudonym key {file}: {error.strerror}") from error
    elif surroundings.environment.get(PSEUDONYM_KEY):
        key = surroundings.environment[PSEUDONYM_KEY].encode()
    else:
        log.warning(
            "no pseudonym key is given: a random one is used, and the next run will give other pseudonyms"
        )
        return surroundings.random_key
    require_secret(key)
    return key


PSEUDONYM_KEY = "MLFLOW2PROV_PSEUDONYM_KEY"
"""The environment variable that may hold the key of pseudonyms."""
