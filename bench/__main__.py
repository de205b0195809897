"""``python -m bench`` is ``lab2factory``."""

from bench.cli.main import main

if __name__ == "__main__":
    main()
