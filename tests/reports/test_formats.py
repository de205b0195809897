import csv
import html
import io
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from protocols.errors import InputError, StoreError
from reports import DESCRIPTIONS, REPORTS, write_report
from reports.csv import table_csv
from reports.escape import guard_formula, latex, markdown
from reports.files import write_file
from reports.latex import table_latex
from reports.markdown import table_markdown
from reports.tables import all_tables, make_table

HOSTILE = ('<script>alert(1)</script> a_b & 50% {x} $y$ \\z ü 检 "q"', "=cmd|' /C calc'!A0")


@pytest.fixture(scope="module")
def written(make, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    return write_report(make(detectors=(("CS-Flow", 1.8),)), out).parent


@pytest.fixture(scope="module")
def hostile(make):
    labels = tuple((name, 1.5 + i) for i, name in enumerate(HOSTILE))
    return make(detectors=labels, categories=("<b>a", "@b"), repeats=2, views=1, memorises=HOSTILE[:1])


@pytest.fixture(scope="module")
def hostile_report(hostile, tmp_path_factory):
    out = tmp_path_factory.mktemp("hostile")
    return write_report(hostile, out, ["html", "csv", "markdown", "latex"]).parent


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.ids, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [v for k, v in attrs if k == "id"]

    def handle_data(self, text):
        self.text.append(text)


def test_every_format_has_a_description_and_loads():
    assert REPORTS.keys() == DESCRIPTIONS.keys()


def test_listing_the_formats_imports_nothing_heavy():
    heavy = {"protocols", "pandas", "matplotlib", "seaborn", "jinja2", "torch"}
    code = f"import reports, sys; print({heavy} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_an_unknown_format_is_named_with_the_nearest(data, tmp_path):
    with pytest.raises(InputError, match="found 'htm', expected one of \\['html'\\]"):
        write_report(data, tmp_path, ["htm"])


def test_a_further_format_can_be_given(data, tmp_path, monkeypatch):
    (tmp_path / "my_format.py").write_text("def write(data, out):\n    (out / 'x.txt').write_text(data.title)\n")
    monkeypatch.syspath_prepend(tmp_path)
    write_report(data, tmp_path, ["mine"], extra={"mine": "my_format:write"})
    assert (tmp_path / "x.txt").read_text() == "links"


def test_the_report_has_page_tables_and_figures(written):
    assert (written / "index.html").is_file()
    assert {"honest.csv", "honest.md", "honest.tex"} <= {p.name for p in (written / "tables").iterdir()}
    stems = {p.stem for p in (written / "figures").iterdir()}
    assert {
        "forest",
        "roc_CS-Flow_image",
        "scores_CS-Flow",
        "transfer_CS-Flow_object",
        "repeats_image",
        "worst_CS-Flow",
    } <= stems
    for stem in stems:
        assert {p.suffix for p in (written / "figures").glob(f"{stem}.*")} == {".pdf", ".png", ".csv"}


def test_no_temporary_file_is_left(written):
    assert not [p for p in written.rglob("*") if p.name.startswith(".")]


def test_the_same_data_give_the_same_bytes(make, tmp_path):
    alone = {"detectors": (("k-NN", 2.1),), "repeats": 2, "views": 1, "failed": False}
    written, again = (write_report(make(**alone), tmp_path / name).parent for name in ("a", "b"))
    names = sorted(p.relative_to(written) for p in written.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert [n for n in names if (written / n).read_bytes() != (again / n).read_bytes()] == []


def test_the_page_needs_no_network_and_no_script(written):
    text = (written / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert all(v.startswith(("data:", "#")) for k, v in page.attributes if k in {"src", "href", "srcset"})
    assert "http://" not in text and "https://" not in text
    assert "@import" not in text and "url(" not in text
    assert ("content", "default-src 'none'; img-src data:; style-src 'unsafe-inline'") in page.attributes


def test_the_page_opens_with_banner_interval_widths_and_the_honest_table(hostile_report):
    text = (hostile_report / "index.html").read_text(encoding="utf-8")
    order = [text.index(s) for s in ("Results are limited", "Look at the intervals first", 'class="honest"',
                                     'id="requirements"', 'id="roc"', 'id="scores"', 'id="transfer"', 'id="repeats"',
                                     'id="comparisons"', 'id="worst"', 'id="how"', 'id="distrust"', 'id="failures"',
                                     'id="provenance"')]  # fmt: skip
    assert order == sorted(order)


def test_every_link_of_the_contents_has_a_target(written):
    page = Page((written / "index.html").read_text(encoding="utf-8"))
    assert {v[1:] for k, v in page.attributes if k == "href" and v.startswith("#")} <= set(page.ids)


def test_every_image_has_a_description(written):
    page = Page((written / "index.html").read_text(encoding="utf-8"))
    assert page.tags.count("img") == sum(1 for k, v in page.attributes if k == "alt" and v)


def test_the_page_names_every_parameter_the_weights_and_the_failed_job(written):
    text = " ".join(Page((written / "index.html").read_text(encoding="utf-8")).text)
    for part in ("evaluation.intervals.n_resamples", "detectors.0.init_args.weights",
                 "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "out of memory?",
                 "CS-Flow: only 4 of 5 repeats could be used", "random weights"):  # fmt: skip
        assert part in text


def test_hostile_labels_are_text_in_the_page(hostile_report):
    text = (hostile_report / "index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text and "<b>a" not in text
    page = Page(text)
    assert "script" not in page.tags
    assert any(HOSTILE[0] in t for t in page.text)


def test_no_cell_of_the_page_or_of_a_csv_starts_a_formula(hostile_report):
    text = (hostile_report / "index.html").read_text(encoding="utf-8")
    assert ">=cmd" not in text and ">@b" not in text and "&#39;=cmd" in text
    for path in (hostile_report / "tables").glob("*.csv"):
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))):
            for cell in row:
                try:
                    float(cell)
                except ValueError:
                    assert not cell.startswith(("=", "+", "-", "@")), (path, cell)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1"])
def test_formulas_are_guarded(text):
    assert guard_formula(text) == f"'{text}"


def test_csv_tables_hold_full_precision_and_fractions(data):
    rows = list(csv.DictReader(io.StringIO(table_csv(make_table("honest", data)))))
    stored = data.estimate("", "GLASS", "three_way", "inference", "image", "auroc")
    assert float(rows[1]["honest_image_auroc"]) == stored.value
    assert float(rows[1]["honest_image_auroc_low"]) == stored.low
    assert rows[1]["honest_image_auroc_status"] == "ok"


def test_undefined_is_an_empty_csv_cell(data):
    rows = list(csv.DictReader(io.StringIO(table_csv(make_table("localisation", data)))))
    assert rows[0]["f1_max"] == "" and rows[0]["f1_max_status"] == "undefined"


def test_markdown_rows_all_have_the_same_number_of_cells(hostile):
    for table in all_tables(hostile).values():
        lines = [line for line in table_markdown(table).splitlines() if line.startswith("|")]
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
        assert len(lines) == len(table.rows) + 2


def test_markdown_and_latex_escape_what_they_would_interpret():
    assert markdown("a\nb") == "a b"
    assert latex("\\input{/etc/passwd}") == r"\textbackslash{}input\{/etc/passwd\}"
    assert latex("--") == "-{}-"


def test_latex_tables_use_booktabs_and_carry_intervals(data):
    text = table_latex(make_table("honest", data))
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"\textbf" not in text  # nobody is distinguishable from all others
    assert "{[}0.932, 1.000{]}" in text


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_latex_tables_compile_with_hostile_labels(hostile_report, tmp_path):
    packages = r"\usepackage[T1]{fontenc}\usepackage{textcomp,booktabs,graphicx,longtable}"
    inputs = "".join(rf"\input{{{p}}}" + "\n" for p in sorted((hostile_report / "tables").glob("*.tex")))
    (tmp_path / "all.tex").write_text(
        rf"\documentclass{{article}}{packages}\begin{{document}}{inputs}\end{{document}}", encoding="utf-8"
    )
    done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"], cwd=tmp_path,
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:].decode("latin-1")


def chromium(page, tmp_path, *options):
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync",
               f"--user-data-dir={tmp_path / 'profile'}", *options, page.as_uri()]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium")
@pytest.mark.parametrize("width", [390, 1280])
def test_only_tables_scroll_sideways(hostile_report, tmp_path, width):
    # The page allows no script: a copy that does is measured, in a frame as wide as a phone
    # (a window cannot be made that narrow).
    text = (hostile_report / "index.html").read_text(encoding="utf-8")
    free = text.replace("default-src 'none'; img-src data:; style-src 'unsafe-inline'", "")
    frame = f"<iframe id=f srcdoc='{html.escape(free)}' style='width:{width}px;height:900px;border:0'></iframe>"
    measure = "const e=f.contentDocument.documentElement;document.title='overflow '+(e.scrollWidth-e.clientWidth)"
    script = f"onload=()=>{{{measure}}}"
    outer = tmp_path / "outer.html"
    outer.write_text(f"<meta charset='utf-8'><title></title>{frame}<script>{script}</script>", encoding="utf-8")
    dom = chromium(outer, tmp_path, "--dump-dom", "--window-size=1400,1000")
    assert "<title>overflow 0</title>" in dom


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="expected a file that can be written"):
        write_file(tmp_path / "file" / "x.txt", "text")
