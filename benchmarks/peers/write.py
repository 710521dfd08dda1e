"""Write docs/peers.md: python benchmarks/peers/write.py [states completion imputation sensing stops].

Sections that are not named are not changed.
"""

import sys
from importlib import import_module
from pathlib import Path

from algoreg.reporting.wording import typeset_numbers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "peers.md"
SECTIONS = ("states", "completion", "imputation", "sensing", "stops")
HEAD = """<!-- Written by benchmarks/peers/write.py. -->

# Beside other methods

Each method solves the same three draws of a problem. Ratings have twelve draws, because their errors differ
by as much between draws as between methods. A cell gives the median and the range; the smallest median
is in bold. Seconds are CPU seconds on one thread of a machine that had other work, so compare only their
ratios. Sizes were fixed before the runs, except for the rows of full-rank states, which were added
because the first states all suited our model. Other methods (`benchmarks/peers/`) are written in as few lines as
their papers need, or come from other packages; their ranks and weights are chosen on held-out entries unless
the row says that they are known. Ratings had three draws at first, on which our error was larger on the
smaller table; the other nine were drawn after that was seen.

If two methods differ only in the last digits, neither is better. Another method is better than ours

- on psd measurements without noise (least trace: a smaller error in less time);
- on magnitudes without noise (Wirtinger flow, on most draws; ours needs width 1 to come near it);
- on small tables with few gaps (`IterativeImputer`, `KNNImputer`);
- on a state of full rank from 1000 shots a string (RρR).

On small tables of ratings, biases alone are as good as any method. Alternating least squares with the known rank
completes 2000 × 1000 in about the same time as ours, with a slightly larger error. With known noise our method is
faster, but its error is not smaller.

"""


def main():
    """Run the sections that are named, or all, and write the page."""
    old = PAGE.read_text(encoding="utf-8").split("<!-- section -->\n")[1:] if PAGE.exists() else [""] * len(SECTIONS)
    asked = sys.argv[1:] or SECTIONS
    parts = [
        typeset_numbers(import_module(name).main()) + "\n" if name in asked else text
        for name, text in zip(SECTIONS, old, strict=True)
    ]
    PAGE.write_text(HEAD + "".join("<!-- section -->\n" + text for text in parts), encoding="utf-8")


if __name__ == "__main__":
    main()
