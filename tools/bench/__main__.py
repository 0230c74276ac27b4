"""Print what the shop costs; ends with 1 when something is above its limit."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.bench import checkout
from tools.measuring import show

PASTS: Final = (1_000, 100_000)
ORDERS: Final = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(prog="bench", description="Print what the shop costs.")
    parser.add_argument("--orders", type=int, default=ORDERS, help="checkouts to measure")
    parser.add_argument("--past", type=int, nargs="+", default=PASTS, help="orders before them")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        result = checkout.measure(Path(folder), options.past, options.orders)
    failures = result.failures()
    show([*result.lines(), *failures])
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
