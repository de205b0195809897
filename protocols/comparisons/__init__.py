"""Comparisons of detectors, one method a file."""
