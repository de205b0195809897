"""How fast does the factory render, against 20 images a second at 256x256 and the prototype's 12 ms at 128x96?

One core, files included: shading, sensor, and the PNG files of image and masks. The ratios are of processor time, so
that other programs on the machine do not count. Run: OMP_NUM_THREADS=1 python benchmarks/rendering.py
"""

import platform
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import __version__ as pillow_version

from bench.synthetic import render_dataset

TARGET_PER_SECOND = 20  # 256x256, one core
PROTOTYPE_SECONDS = 0.012  # NumPy-only prototype of the same design, 128x96, one core, without files
ROUNDS = 3


def seconds_per_image(size: list[int]) -> tuple[float, float, int]:
    """Return processor and wall time an image, the best of a few rounds, and the number of images in one."""
    parameters = {"image_size": size, "n_views": 12, "n_good": 4, "n_good_test": 2, "n_defective": 3}
    processor, wall, n = [], [], 0
    for seed in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            started = time.process_time(), time.perf_counter()
            manifest = render_dataset(Path(folder) / "set", seed=seed, parameters=parameters)
            processor.append(time.process_time() - started[0])
            wall.append(time.perf_counter() - started[1])
            n = len(manifest.read_text().splitlines()) - 1
    return min(processor) / n, min(wall) / n, n


def main() -> None:
    seconds_per_image([96, 128])  # warm up: imports, cached backgrounds
    large, large_wall, n = seconds_per_image([256, 256])
    small, small_wall, _ = seconds_per_image([96, 128])
    print(f"python {platform.python_version()}, numpy {np.__version__}, pillow {pillow_version}, {n} images a round")
    print(f"256x256: {1 / large:.1f} images/s of processor time ({1 / large_wall:.1f} by the clock)")
    print(f"         {1 / large / TARGET_PER_SECOND:.2f} times the target of {TARGET_PER_SECOND} images/s")
    print(f"128x96:  {1000 * small:.1f} ms an image of processor time ({1000 * small_wall:.1f} by the clock)")
    print(f"         {PROTOTYPE_SECONDS / small:.2f} times the speed of the prototype (12 ms, without files)")


if __name__ == "__main__":
    main()
