"""How fast are the intervals and tests, and how much memory do they take, against named peers on one thread?"""

import os
import sys

if __name__ == "statistics":
    # Another script of this folder asked for the standard library's module of this name and found this file first.
    import importlib.util
    import sysconfig
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("statistics", Path(sysconfig.get_path("stdlib")) / "statistics.py")
    if spec is None or spec.loader is None:
        raise ImportError("the standard library's statistics.py is not where sysconfig says")
    module = importlib.util.module_from_spec(spec)
    sys.modules["statistics"] = module
    spec.loader.exec_module(module)
elif __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # before NumPy is imported
    from support.speed import main

    main()
