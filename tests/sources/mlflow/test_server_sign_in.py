"""Who may read a server, and what of it: credentials, certificates, path prefixes and workspaces."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers import Answer, Request, Running, certificate, door, served
from test_server import Tables, sortable, tables_of

from mlflow2prov import cli
from mlflow2prov.errors import SourceError
from mlflow2prov.sources.mlflow.database import read_database
from mlflow2prov.sources.mlflow.http_client import HttpSettings
from mlflow2prov.sources.mlflow.parts import Wanted
from mlflow2prov.sources.mlflow.server import read_server

PASSWORD = "correct horse ü battery"
AUTHENTICATION = """[mlflow]
default_permission = READ
database_uri = sqlite:///basic_auth.db
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 600
"""
"""That the server remembers who it knows: each look at a password takes it most of a second."""
ADMIN = HttpSettings(username="admin", password=PASSWORD)


@dataclass(frozen=True)
class Guarded:
    """A server with basic authentication and two workspaces, which have a model of the same name."""

    url: Running
    database: Path

    def post(self, path: str, workspace: str, **body: object) -> dict[str, dict[str, str]]:
        headers = {
            "Content-Type": "application/json",
            "Authorization": "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode(),
            "X-MLFLOW-WORKSPACE": workspace,
        }
        asked = urllib.request.Request(f"{self.url}/api/{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.loads(answer.read())  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    database = folder / "mlflow.db"
    options = ["--app-name", "basic-auth", "--enable-workspaces"]
    (folder / "auth.ini").write_text(AUTHENTICATION)
    variables = {
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "k",
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
    }
    with served(folder, f"sqlite:///{database}", *options, **variables) as url:
        made = Guarded(url, database)
        made.post("3.0/mlflow/workspaces", "default", name="lab")
        for workspace in ("default", "lab"):
            name = f"of {workspace}"
            experiment = made.post("2.0/mlflow/experiments/create", workspace, name=name)["experiment_id"]
            run = made.post("2.0/mlflow/runs/create", workspace, experiment_id=experiment, run_name=name)
            run_id = run["run"]["info"]["run_id"]  # type: ignore[index]
            metric = {"run_id": run_id, "key": "m", "value": 1, "timestamp": 5, "step": 0}
            made.post("2.0/mlflow/runs/log-metric", workspace, **metric)
            made.post("2.0/mlflow/registered-models/create", workspace, name="wine", description=name)
            made.post(
                "2.0/mlflow/model-versions/create", workspace, name="wine", source="s3://b/x", run_id=run_id
            )
        yield made


def names(tables: Tables) -> list[str]:
    return sorted(row["name"] for row in tables["mlflow_run"])


def test_right_credentials_open_every_workspace_as_its_database_has_them(guarded: Guarded) -> None:
    told = tables_of(read_server(guarded.url, Wanted(skip=frozenset({"artifacts"})), settings=ADMIN))
    stored = tables_of(read_database(f"sqlite:///{guarded.database}", Wanted(skip=frozenset({"artifacts"}))))
    told.pop("mlflow_store")
    stored.pop("mlflow_store")
    for row in stored["mlflow_model_version"]:
        row["storage_location"] = None
    assert {name: sortable(rows) for name, rows in told.items()} == {
        name: sortable(rows) for name, rows in stored.items()
    }
    models = {(row["workspace"], row["description"]) for row in told["mlflow_registered_model"]}
    assert models == {("default", "of default"), ("lab", "of lab")}


def test_one_workspace_can_be_asked_for(guarded: Guarded) -> None:
    settings = HttpSettings(username="admin", password=PASSWORD, workspace="lab")
    assert names(tables_of(read_server(guarded.url, settings=settings))) == ["of lab"]
    nowhere = HttpSettings(username="admin", password=PASSWORD, workspace="nowhere", max_retries=0)
    with pytest.raises(SourceError, match="nowhere"):
        tables_of(read_server(guarded.url, settings=nowhere))


@pytest.mark.parametrize("where", ["URL", "environment", "file"])
def test_credentials_are_found_where_mlflow_keeps_them(
    guarded: Guarded,
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    url = str(guarded.url)
    monkeypatch.setenv("HOME", str(tmp_path))
    if where == "URL":
        url = url.replace("://", f"://admin:{urllib.parse.quote(PASSWORD)}@")
    elif where == "environment":
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    else:
        stored = f"[mlflow]\nmlflow_tracking_username = admin\nmlflow_tracking_password = {PASSWORD}\n"
        (tmp_path / ".mlflow").mkdir()
        (tmp_path / ".mlflow" / "credentials").write_text(stored, "utf-8")
    output = tmp_path / "result.json"
    command = ["--verbose", "extract", "--mlflow_url", url, "save", "--output", str(output)]
    code = cli.run(command)
    said = capfd.readouterr().err
    assert code == 0, said
    assert "of lab" in output.read_text("utf-8")
    for secret in (PASSWORD, urllib.parse.quote(PASSWORD), "admin:"):
        assert secret not in said + output.read_text("utf-8")


@pytest.mark.parametrize("password", [None, "wrong"])
def test_without_the_right_credentials_nothing_is_read(
    guarded: Guarded,
    password: str | None,
    result: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(result.parent.parent))
    if password is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    assert cli.run(["extract", "--mlflow_url", guarded.url, "save", "--output", str(result)]) == 1
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith(
        f"mlflow2prov: error: {guarded.url} asks for credentials (401); set MLFLOW_TRACKING"
    )
    assert result.read_text() == "what was there before" and [*result.parent.iterdir()] == [result]


def test_a_token_opens_a_server(guarded: Guarded) -> None:
    """A front that knows a token asks the guarded server as its administrator."""
    basic = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()

    def check(request: Request) -> Answer | None:
        if request.headers.get("authorization") != "Bearer t0ken":
            return Answer(401)
        request.headers["authorization"] = basic
        return None

    with door(check, guarded.url) as front:
        found = tables_of(read_server(front.url, settings=HttpSettings(token="t0ken")))
        assert names(found) == ["of default", "of lab"]
        with pytest.raises(SourceError, match="asks for credentials"):
            tables_of(read_server(front.url, settings=HttpSettings(token="other")))


def test_a_path_before_the_servers_own_is_kept(guarded: Guarded) -> None:
    def below(request: Request) -> Answer | None:
        if not request.path.startswith("/team/a%20b/"):
            return Answer(404)
        request.path = request.path.removeprefix("/team/a%20b")
        return None

    with door(below, guarded.url) as front:
        found = tables_of(read_server(f"{front.url}/team/a%20b/", settings=ADMIN))
        assert names(found) == ["of default", "of lab"]
        assert found["mlflow_store"][0]["uri"] == f"{front.url}/team/a%20b"


def test_a_client_shows_its_certificate_to_a_server_of_a_private_authority(
    guarded: Guarded, tmp_path: Path
) -> None:
    server, client = (certificate(tmp_path, name) for name in ("server", "client"))
    with door(lambda _: None, guarded.url, server, client_authority=client) as front:
        shown = HttpSettings(
            username="admin", password=PASSWORD, server_cert_path=str(server), client_cert_path=str(client)
        )
        assert names(tables_of(read_server(front.url, settings=shown))) == ["of default", "of lab"]
        hidden = HttpSettings(max_retries=0, server_cert_path=str(server))
        with pytest.raises(
            SourceError, match=r"broke .*check that the server|MLFLOW_TRACKING_CLIENT_CERT_PATH"
        ):
            tables_of(read_server(front.url, settings=hidden))
        foreign = HttpSettings(max_retries=0, server_cert_path=str(client), client_cert_path=str(client))
        with pytest.raises(SourceError, match="MLFLOW_TRACKING_SERVER_CERT_PATH"):
            tables_of(read_server(front.url, settings=foreign))
