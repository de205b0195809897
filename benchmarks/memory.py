"""How much memory do training and scoring take at their peak, against the features of all images held as float32?"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from support.images import RandomImages
from support.measure import MIB, digits, headline, in_fresh_process, memory_growth, section

import detectors
from detectors.base import FitContext
from detectors.registry import BUILTIN

N_IMAGES, N_WARM_UP, HEIGHT, WIDTH = 400, 8, 96, 128


def fit_and_score(name: str) -> tuple[int, int]:
    """Train a tiny detector and score other images; return the memory before and at the peak, in bytes.

    Call it in a fresh process. Features go to a cache on disk, as in a run. Before, another detector of the same
    kind sees a few images, so that libraries and network are there.
    """
    with tempfile.TemporaryDirectory() as folder:
        context = FitContext("cpu", np.random.SeedSequence(0), Path(folder), cache=Path(folder) / "features")

        def run(n: int, seed: int) -> None:
            detector = detectors.create(name, preset="tiny")
            detector.fit(RandomImages(n, HEIGHT, WIDTH, seed), context)
            detector.score(RandomImages(n, HEIGHT, WIDTH, seed + 1))

        run(N_WARM_UP, 0)
        return memory_growth(lambda: run(N_IMAGES, 2))


def csflow_bytes(arguments: Mapping[str, Any]) -> int:
    """Bytes an image of all scales' features, float32."""
    from detectors.backbones import describe_layers

    (channels,), (stride,) = describe_layers(arguments["backbone"], (arguments["layer"],))
    height, width = arguments["img_size"]
    cells = sum((height // stride // 2**s) * (width // stride // 2**s) for s in range(arguments["n_scales"]))
    return 4 * channels * cells


def patches_bytes(arguments: Mapping[str, Any]) -> int:
    """Bytes an image of the patch embeddings, float32."""
    from detectors.backbones import describe_layers

    _, strides = describe_layers(arguments["backbone"], tuple(arguments["layers"]))
    return 4 * (arguments["imagesize"] // strides[0]) ** 2 * int(arguments["target_dim"])


@dataclass(frozen=True)
class Peer:
    """What would be held for every image: in words, and its bytes from a detector's arguments."""

    what: str
    n_bytes: Callable[[Mapping[str, Any]], int]
    published: int | None


PEERS = {
    # Published sizes: 304 channels on 24 x 24, 12 x 12 and 6 x 6 cells; 36 x 36 patches of 1,536 values.
    "csflow": Peer("features of three scales", csflow_bytes, 919_296),
    "glass": Peer("patch embeddings", patches_bytes, 7_962_624),
    "knn": Peer("patch embeddings", patches_bytes, None),
}
DECODED = Peer("decoded pixels", lambda _: HEIGHT * WIDTH * 3, None)


def show(name: str) -> None:
    """Measure one detector and print its ratios."""
    peer = PEERS.get(name, DECODED)
    before, peak = in_fresh_process(fit_and_score, name)
    section(f"{name} tiny: peak of the process {peak / MIB:,.1f} MiB, libraries and network {before / MIB:,.1f} MiB")
    print(f"  {(peak - before) / MIB:10,.1f} MiB  ours: added at the peak of fit and score")
    held(peak - before, f"all images' {peer.what}, at its own sizes", peer.n_bytes(_arguments(name, "tiny")))
    if peer.published is not None:
        computed = peer.n_bytes(_arguments(name, "paper"))
        if computed != peer.published:
            raise SystemExit(f"error: {name} holds {computed} bytes an image, the specification says {peer.published}")
        held(peak - before, f"all images' {peer.what}, at the published sizes", computed)


def held(growth: int, what: str, n_bytes: int) -> None:
    """Print a peer and the ratio to it."""
    total = N_IMAGES * n_bytes
    print(f"  {total / MIB:10,.1f} MiB  peer: {what}, {n_bytes:,} bytes each, held in memory")
    print(f"  ratio {digits(growth / total)} (ours over the peer's)", flush=True)


def _arguments(name: str, preset: str) -> Mapping[str, Any]:
    return getattr(detectors.create(name, preset=preset), "init_args", {})


def main() -> None:
    headline(
        "Memory: peak resident set of fit and score, against the features of all images held as float32",
        f"preset tiny, trained on {N_IMAGES} noise images of {WIDTH} x {HEIGHT} and scoring {N_IMAGES} others, "
        "each detector in a fresh process",
    )
    for name in BUILTIN:
        show(name)


if __name__ == "__main__":
    main()
