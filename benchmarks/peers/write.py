"""Write docs/peers.md: python benchmarks/peers/write.py [states completion imputation sensing stops].

Sections that are not named stay as they are.
"""

import sys
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "peers.md"
SECTIONS = ("states", "completion", "imputation", "sensing", "stops")
HEAD = """<!-- Written by benchmarks/peers/write.py. -->

# Beside other methods

Each method solves the same three draws of a problem, twelve of ratings, whose errors differ by as
much between draws as between methods. The number is the median, with the range; the smallest median
is in bold. Seconds are CPU seconds, on one thread of a machine that had other work; only their ratios should be
compared. Sizes were fixed before the runs, except those of the rows of full-rank states, which were added
because the first states all suited our model. Peers are written in as few lines as their papers need, or
come from other packages (`benchmarks/peers/`); ranks and weights are chosen on held-out entries unless
the row says that they are known. Ratings also had three draws at first, on which ours was behind on the
smaller table; the others were drawn after that was seen.

Where two methods differ only in the last digits, neither is better. Another method is better than ours

- on psd measurements without noise (least trace: a smaller error in less time);
- on magnitudes without noise (Wirtinger flow, on most draws; ours needs width 1 to come near it);
- on small tables with few gaps (`IterativeImputer`, `KNNImputer`);
- on a state of full rank from 1000 shots a string (RρR).

On small tables of ratings biases alone are as good as any method. Alternating least squares that knows the rank completes
2000 × 1000 in about the same time, with a slightly larger error. Knowing the noise saves time, and does
not make our error smaller.

"""


def main():
    """Run the sections that are named, or all, and write the page."""
    old = PAGE.read_text(encoding="utf-8").split("<!-- section -->\n")[1:] if PAGE.exists() else [""] * len(SECTIONS)
    asked = sys.argv[1:] or SECTIONS
    parts = [
        import_module(name).main() + "\n" if name in asked else text for name, text in zip(SECTIONS, old, strict=True)
    ]
    PAGE.write_text(HEAD + "".join("<!-- section -->\n" + text for text in parts), encoding="utf-8")


if __name__ == "__main__":
    main()
