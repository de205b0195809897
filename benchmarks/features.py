"""How long do the features of one image take, and what do stopping early, pooling first and caching save?"""

import tempfile
from pathlib import Path

import torch
from support.images import RandomImages, take
from support.measure import MIB, best_seconds, check_equal, compare, headline, in_fresh_process, memory_growth, section
from support.peers import WholeNetwork, embed_in_reference_order
from torch import Tensor

from detectors.backbones import Backbone
from detectors.csflow.extractor import FeatureExtractor, pyramid
from detectors.features import FeatureCache
from detectors.glass.embedding import embed
from detectors.preprocess import to_batch

CSFLOW_NETWORK, CSFLOW_LAYER, CSFLOW_EPOCHS = "tf_efficientnet_b5", "blocks.5", 240
GLASS_NETWORK, GLASS_LAYERS, GLASS_SIZE, GLASS_BATCH, GLASS_DIM = "wide_resnet50_2", ("layer2", "layer3"), 288, 8, 1536


def csflow(size: int, n_images: int, rounds: int, whole: WholeNetwork) -> None:
    """Compare stopping after the sixth stage with the whole network, and reading with computing."""
    section(f"CS-Flow: {CSFLOW_NETWORK}, {size} x {size}, three scales, {n_images} images")
    extractor = FeatureExtractor(Backbone(CSFLOW_NETWORK, layers=[CSFLOW_LAYER]), (size, size), 3)
    images = RandomImages(n_images, size, size)
    pictures = take(images)
    batches = [pictures[i : i + extractor.batch_size] for i in range(0, n_images, extractor.batch_size)]

    def stopped(n_batches: int = len(batches)) -> None:
        for batch in batches[:n_batches]:
            extractor(batch)

    def to_the_end(n_batches: int = len(batches)) -> None:
        for batch in batches[:n_batches]:
            for scale in pyramid(to_batch(batch, (size, size)), 3):
                whole(scale)

    stopped(1)  # the first call of a size prepares the convolutions
    to_the_end(1)
    seconds = best_seconds({"stopped": stopped, "whole": to_the_end}, rounds)
    extraction = 1000 * seconds["stopped"] / n_images
    compare(
        "ms an image",
        (f"ours: stops after {CSFLOW_LAYER}", extraction),
        ("peer: whole network through the classifier head (timm's forward)", 1000 * seconds["whole"] / n_images),
    )
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder))

        def fetch() -> None:
            cache.fetch(images, None, extractor.identity, extractor, extractor.batch_size)

        fetch()  # computes and writes
        reading = 1000 * best_seconds({"read": fetch}, 5)["read"] / n_images
    compare(
        "ms an image",
        (f"ours: {4 * extractor.dimension:,} bytes read from the feature cache (files in the page cache)", reading),
        ("peer: extracted again", extraction),
    )
    compare(
        "s an image",
        (
            f"ours: {CSFLOW_EPOCHS} epochs, extracted once, read back in each",
            (extraction + CSFLOW_EPOCHS * reading) / 1000,
        ),
        (
            f"peer: {CSFLOW_EPOCHS} epochs, extracted in each (adapted reference notebooks)",
            CSFLOW_EPOCHS * extraction / 1000,
        ),
    )


def glass_backbone(rounds: int) -> None:
    """Compare stopping after layer3 with the whole network."""
    section(f"GLASS: {GLASS_NETWORK}, {GLASS_SIZE} x {GLASS_SIZE}, batch of {GLASS_BATCH}")
    stopped, whole = Backbone(GLASS_NETWORK, layers=GLASS_LAYERS), WholeNetwork(GLASS_NETWORK, GLASS_LAYERS)
    batch = to_batch(take(RandomImages(GLASS_BATCH, GLASS_SIZE, GLASS_SIZE)), (GLASS_SIZE, GLASS_SIZE))
    pairs = zip(stopped(batch), whole(batch), strict=True)
    check_equal("layer2 and layer3", max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs), 1e-5)
    seconds = best_seconds({"stopped": lambda: stopped(batch), "whole": lambda: whole(batch)}, rounds)
    compare(
        "ms an image",
        ("ours: stops after layer3", 1000 * seconds["stopped"] / GLASS_BATCH),
        ("peer: whole network through the classifier head (reference)", 1000 * seconds["whole"] / GLASS_BATCH),
    )


def glass_maps() -> list[Tensor]:
    """Return feature maps of the sizes of layer2 and layer3 at 288."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(GLASS_BATCH, 512, 36, 36), (GLASS_BATCH, 1024, 18, 18)]
    return [torch.randn(shape, generator=generator) for shape in shapes]


def pool_first(maps: list[Tensor]) -> Tensor:
    return embed(maps, pre_dim=GLASS_DIM, target_dim=GLASS_DIM)


def pool_last(maps: list[Tensor]) -> Tensor:
    return embed_in_reference_order(maps, GLASS_DIM, GLASS_DIM)


def embedding_growth(first: bool) -> int:
    """Return how much memory one embedding adds at its peak, in bytes; call it in a fresh process."""
    maps = glass_maps()
    before, peak = memory_growth(lambda: pool_first(maps) if first else pool_last(maps))
    return peak - before


def glass_embedding(rounds: int) -> None:
    """Compare pooling first with the reference's order."""
    maps = glass_maps()
    section(f"GLASS: patch embedding of {GLASS_BATCH} images, 36 x 36 patches, {GLASS_DIM} dimensions, maps given")
    check_equal("embeddings", float((pool_first(maps) - pool_last(maps)).abs().max()), 1e-5)
    seconds = best_seconds({"first": lambda: pool_first(maps), "last": lambda: pool_last(maps)}, rounds)
    ours, peer = "ours: pools first, resamples 768 maps", "peer: resamples 9,216 maps, pools after (reference's order)"
    compare("ms an image", (ours, 1000 * seconds["first"] / GLASS_BATCH), (peer, 1000 * seconds["last"] / GLASS_BATCH))
    growth = [in_fresh_process(embedding_growth, first) / MIB for first in (True, False)]
    compare("MiB on top at the peak", (ours, growth[0]), (peer, growth[1]))


def main() -> None:
    headline(
        "Feature extraction: milliseconds an image, against whole networks and the reference's order",
        "published networks, random weights, noise images; CS-Flow at 256 and at its published 768, GLASS at 288",
    )
    whole = WholeNetwork(CSFLOW_NETWORK)
    csflow(256, 8, 2, whole)
    csflow(768, 2, 1, whole)
    glass_backbone(2)
    glass_embedding(2)


if __name__ == "__main__":
    main()
