"""A real server that is compatible with S3, for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session

from mlflow2prov.sources.mlflow.artifacts import ArtifactAccess

KEYS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "geheim",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True)
class Bucket:
    """A bucket of a running server, with a client to fill it."""

    endpoint: str
    name: str
    client: Any

    @property
    def environment(self) -> dict[str, str]:
        return {**KEYS, "MLFLOW_S3_ENDPOINT_URL": self.endpoint}

    def access(self, **changed: str) -> ArtifactAccess:
        return ArtifactAccess(environment=self.environment | changed)

    def put(self, **objects: bytes) -> None:
        for key, content in objects.items():
            self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def put_folder(self, folder: Path, prefix: str) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(**{f"{prefix}/{path.relative_to(folder).as_posix()}": path.read_bytes()})


@contextmanager
def object_store(folder: Path) -> Iterator[Bucket]:
    """An empty bucket of a server that was started for it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "s3.log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | KEYS, start_new_session=True
        )
    try:
        _wait_for(endpoint, server)
        client = botocore.session.Session().create_client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id="key",
            aws_secret_access_key="geheim",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="bucket")
        yield Bucket(endpoint, "bucket", client)
        client.close()
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(endpoint: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{endpoint}/moto-api/data.json", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the S3 server did not start")
