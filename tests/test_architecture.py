"""The layering and the light imports that conventions promise."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("protocols", "detectors", "reports", "bench")
MAY_IMPORT = {
    "protocols": set(),
    "detectors": {"protocols.errors"},
    "reports": {"protocols.results", "protocols.errors"},
}
FILES = sorted(p for package in MAY_IMPORT for p in (ROOT / package).rglob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_package_imports_only_what_the_layering_allows(path):
    package = path.relative_to(ROOT).parts[0]
    wrong = [
        f"line {line}: {name}"
        for line, name in imported(path)
        if name.split(".")[0] in PACKAGES and name.split(".")[0] != package and name not in MAY_IMPORT[package]
    ]
    assert wrong == []


def modules_after(statement):
    code = f"import sys\n{statement}\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_protocols_import_no_torch_sklearn_or_matplotlib():
    assert not {"torch", "sklearn", "matplotlib", "seaborn", "timm"} & modules_after("import protocols")


def test_the_detector_registry_imports_no_torch():
    assert not {"torch", "timm"} & modules_after("import detectors; detectors.create('pixel_stats')")


def test_help_imports_neither_torch_nor_pandas_and_is_quick():
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bench", "--help"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0
    assert "demo" in done.stdout
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not {"torch", "pandas", "matplotlib", "numpy", "timm", "sklearn"} & loaded
    assert time.perf_counter() - started < 10  # not a timing: a bound that only a heavy import could pass


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_what_it_is_for(package):
    silent = [p.relative_to(ROOT).as_posix() for p in (ROOT / package).rglob("*.py")
              if ast.get_docstring(ast.parse(p.read_text(encoding="utf-8"))) is None]  # fmt: skip
    assert silent == []


def test_every_exported_name_is_there_and_is_typed():
    import protocols

    assert set(protocols.__all__) == set(protocols._HOME)
    assert [name for name in protocols.__all__ if not hasattr(protocols, name)] == []
    tree = ast.parse((ROOT / "protocols/__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {a.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for a in node.names}
    assert typed == protocols._HOME
