"""What the benchmarks share: images, clocks, peers, and how a ratio is printed."""
