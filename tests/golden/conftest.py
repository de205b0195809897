"""Scripts that made the golden values need other programs: they are run by hand, never collected."""

collect_ignore_glob = ["*.py"]
