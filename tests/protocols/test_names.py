"""What `from protocols import ...` gives: interfaces section 7."""

import subprocess
import sys
from pathlib import Path

import protocols


def test_no_exported_name_is_that_of_a_module():
    """Importing a submodule sets the attribute of that name on the package, over the function."""
    folder = Path(protocols.__file__).parent
    modules = {path.stem for path in folder.iterdir()}
    assert not modules & set(protocols.__all__)


def test_every_exported_name_is_there_whatever_was_imported_before():
    code = "from protocols import *; from protocols import ThreeWay, confusion; print(confusion([1], [2], 1))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "Confusion(tp=1, fp=0, fn=0, tn=0)"
    assert all(getattr(protocols, name) is not None for name in protocols.__all__)
