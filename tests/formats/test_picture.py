"""Pictures through Graphviz: that they come, and what is said when they can't."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from test_dot import GRAPHVIZ, PRIMER, graph_from, run_with

from mlflow2prov import Graph
from mlflow2prov.errors import FormatError
from mlflow2prov.formats import pdf, picture, png, svg


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a script in the place of Graphviz."""
    program = folder / "dot"
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


class TestWithGraphviz:
    pytestmark = GRAPHVIZ

    def test_an_svg_shows_labels_and_the_names_of_relations(self) -> None:
        file = io.BytesIO()
        svg.write(graph_from(PRIMER), file)
        root = ElementTree.fromstring(file.getvalue())
        shown = {"".join(text.itertext()).strip() for text in root.iter("{http://www.w3.org/2000/svg}text")}
        assert {"An article", "compose", "derek", "used", "wasGeneratedBy", "plan"} <= shown

    def test_a_png_has_some_size(self) -> None:
        file = io.BytesIO()
        png.write(graph_from(PRIMER), file)
        raw = file.getvalue()
        assert raw.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", raw[16:24])
        assert 200 < width < 2000
        assert 200 < height < 2000

    def test_a_pdf_is_one(self) -> None:
        file = io.BytesIO()
        pdf.write(graph_from(PRIMER), file)
        assert file.getvalue().startswith(b"%PDF-")

    def test_attributes_are_shown_on_demand(self) -> None:
        without, shown = io.BytesIO(), io.BytesIO()
        svg.write(graph_from(PRIMER), without)
        svg.write(graph_from(PRIMER), shown, attributes=True)
        assert b"ex:size" not in without.getvalue()
        assert b"ex:size" in shown.getvalue()

    def test_an_empty_document_is_an_empty_picture(self) -> None:
        for module in (svg, png, pdf):
            file = io.BytesIO()
            module.write(Graph.empty(), file)
            assert file.getvalue()

    def test_a_wide_picture_gets_fewer_dots_an_inch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        file = io.BytesIO()
        png.write(graph_from(PRIMER), file)
        (usual,) = struct.unpack(">I", file.getvalue()[16:20])
        monkeypatch.setattr(picture, "_MOST_SIDE", 300)
        monkeypatch.setattr(picture, "_LEAST_DPI", 1)
        file = io.BytesIO()
        png.write(graph_from(PRIMER), file)
        (width,) = struct.unpack(">I", file.getvalue()[16:20])
        assert width <= 310 < usual

    def test_a_hundred_runs_with_forty_members_are_laid_out_in_seconds(self) -> None:
        file = io.BytesIO()
        svg.write(graph_from(run_with(40, 100)), file)
        assert file.getvalue().count(b"40 \xc3\x97 Param") == 100


def test_a_missing_graphviz_is_said_with_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for module in (svg, png, pdf):
        file = io.BytesIO()
        with pytest.raises(FormatError, match=r"apt-get install graphviz.*brew.*choco"):
            module.write(graph_from(PRIMER), file)
        assert not file.getvalue()


def test_a_document_beyond_what_is_readable_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "raise SystemExit('it was run')")
    graph = graph_from(run_with(0, picture.MOST_NODES))
    with pytest.raises(FormatError, match=r"1,200 nodes.*transform --types.*save it as dot or csv"):
        svg.write(graph, io.BytesIO())


def test_graphviz_is_ended_when_its_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(picture, "LAYOUTS", ((0.3, ()), (0.3, ("-Gsplines=line",))))
    with pytest.raises(FormatError, match=r"was ended after 1 s.*--since"):
        svg.write(graph_from(PRIMER), io.BytesIO())


def test_a_drawing_that_takes_long_is_drawn_with_less_care(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import sys, time\nif '-Gsplines=line' not in sys.argv: time.sleep(60)\nprint('drawn')"
    stand_in(tmp_path, monkeypatch, script)
    monkeypatch.setattr(picture, "LAYOUTS", ((0.3, ()), (30.0, ("-Gsplines=line",))))
    file = io.BytesIO()
    svg.write(graph_from(PRIMER), file)
    assert file.getvalue() == b"drawn\n"


def test_what_graphviz_complains_of_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "raise SystemExit('no such renderer\\nmore')")
    with pytest.raises(FormatError, match=r"could not draw the picture: no such renderer$"):
        svg.write(graph_from(PRIMER), io.BytesIO())


def test_a_png_that_nobody_could_read_is_refused() -> None:
    with pytest.raises(FormatError, match="save it as svg or pdf"):
        picture.dots_an_inch(1000, 20)
