"""Real databases to push into, each a process of its own on this machine's loopback interface."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE_S = 120.0
PASSWORD = "p@ss/w:rd-7"
"""Of the user ``root``, with characters that a URL has to escape."""

ESCAPED = "p%40ss%2Fw%3Ard-7"


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


@dataclass(slots=True)
class Server:
    """A server, which can be killed and started again with what it has on disk.

    Attributes:
        command: what starts it.
        folder: where it keeps its data.
        port: that it listens at.
        url: to push to.
        is_ready: raises an ``Exception`` while it is not.
    """

    command: Sequence[str]
    folder: Path
    port: int
    url: str
    is_ready: Callable[[], object]
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.is_ready()
            except Exception as error:
                if time.monotonic() > give_up or self.process.poll() is not None:
                    text = (self.folder / "said").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"{self.command[0]} does not answer: {error}\n{text}") from error
                time.sleep(0.1)
            else:
                return

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Server:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _program(name: str) -> str:
    found = shutil.which(
        name, path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    )
    if found is None:
        raise RuntimeError(f"{name} is not installed")
    return found


def _listens(port: int) -> Callable[[], object]:
    return lambda: socket.create_connection(("127.0.0.1", port), timeout=5).close()


def oxigraph(folder: Path) -> Server:
    """A SPARQL store."""
    port = free_port()
    command = [_program("oxigraph"), "serve", "-l", str(folder / "data"), "-b", f"127.0.0.1:{port}"]
    return Server(command, folder, port, f"http://127.0.0.1:{port}/store", _listens(port))


def arcadedb(folder: Path) -> Server:
    """A database that speaks Bolt, with the database ``prov`` in it."""
    import arcadedb_embedded
    import neo4j

    home = Path(arcadedb_embedded.__path__[0])
    port, http_port = free_port(), free_port()
    options = {
        "server.rootPath": folder,
        "server.rootPassword": PASSWORD,
        "server.httpIncomingHost": "127.0.0.1",
        "server.httpIncomingPort": http_port,
        "bolt.host": "127.0.0.1",
        "bolt.port": port,
        "server.defaultDatabases": "prov[root]",
        "server.plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
    }
    command = [
        str(home / "jre" / "bin" / "java"),
        "-Xmx512m",
        "--add-opens=java.base/java.nio=ALL-UNNAMED",
        "--enable-native-access=ALL-UNNAMED",
        *("--add-modules", "jdk.incubator.vector"),
        *(f"-Darcadedb.{name}={value}" for name, value in options.items()),
        *("-cp", f"{home}/jars/*", "com.arcadedb.server.ArcadeDBServer"),
    ]

    def is_ready() -> None:
        with neo4j.GraphDatabase.driver(f"bolt://127.0.0.1:{port}", auth=("root", PASSWORD)) as driver:
            driver.execute_query("RETURN 1", database_="prov")

    return Server(command, folder, port, f"bolt://root:{ESCAPED}@127.0.0.1:{port}/prov", is_ready)


def secantus(folder: Path) -> Server:
    """A server that speaks the protocol of MongoDB."""
    port = free_port()
    command = [_program("secantusd-py"), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--storage-path", str(folder / "data")]
    return Server(command, folder, port, f"mongodb://127.0.0.1:{port}/prov", _listens(port))


MAKERS: dict[str, Callable[[Path], Server]] = {"neo4j": arcadedb, "mongodb": secantus, "sparql": oxigraph}
"""What makes a server, by the name of the sink."""


@contextmanager
def running(name: str, folder: Path) -> Iterator[Server]:
    """A server of a sink, in an empty folder."""
    with MAKERS[name](folder) as server:
        yield server
