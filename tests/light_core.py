"""Run by `make light` in an environment without extras: the core works without torch.

Not a pytest file: that environment has no pytest either.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

DONE = []


def command(*arguments, expect=0):
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], capture_output=True, text=True, cwd=tempfile.gettempdir()
    )
    if done.returncode != expect or "Traceback" in done.stderr:
        sys.exit(
            f"lab2factory {' '.join(arguments)}: exit {done.returncode}, expected {expect}\n{done.stdout}{done.stderr}"
        )
    DONE.append(arguments)
    return done


def main():
    for name in ("torch", "timm", "torchvision"):
        if importlib.util.find_spec(name) is not None:
            sys.exit(f"{name} is installed: this is not the light environment")
    import detectors
    import protocols

    assert "torch" not in sys.modules
    assert protocols.auroc([0, 1], [0.1, 0.9]) == 1.0
    assert detectors.create("pixel_stats") is not None
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        command("--help")
        command("ls", "detectors")
        command("doctor")
        command("dataset", "synth", str(root / "data"), "--profile", "tiny")
        command("dataset", "inspect", str(root / "data"))
        config = {"name": "light", "dataset": {"path": str(root / "data")}, "detectors": [{"name": "pixel_stats"}],
                  "protocols": [{"name": "naive"}, {"name": "three_way", "repeats": 2}],
                  "evaluation": {"intervals": {"n_resamples": 200}}}  # fmt: skip
        (root / "light.json").write_text(json.dumps(config))
        command("run", str(root / "light.json"), "--output", str(root / "run"), "--backend", "inline")
        command("report", str(root / "run"))
        missing = command(
            "run", str(root / "light.json"), "-o", "detectors.0.name=csflow", "--output", str(root / "other"), expect=2
        )
        if "lab2factory[train]" not in missing.stderr:
            sys.exit(f"a missing extra is not named: {missing.stderr}")
    sys.stdout.write(f"light core: {len(DONE)} passed, 0 failed\n")


if __name__ == "__main__":
    main()
