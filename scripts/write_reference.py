"""Rewrite a tier's committed reference and what is generated from it: python scripts/write_reference.py TIER."""

import argparse
import shutil
from pathlib import Path

from algoreg import records, reference, settings
from write_docs import refresh_documents

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "workflow" / "schemas"
TIERS = ("smoke", "quick", "standard", "paper")


def main():
    """Write reference/runs/<tier>.json; for standard also docs/figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", choices=TIERS)
    parser.add_argument(
        "--partial",
        action="store_true",
        help="of the tables and claims that are there, not of a whole tier: make verify then asks for that part",
    )
    parser.add_argument("--results", type=Path, help="the tier's results (default: results/<tier>)")
    options = parser.parse_args()
    if options.partial and options.tier != "paper":
        parser.error(f"--partial: a reference of tier {options.tier} is of all of it, as documents are made of it")
    tier, results = options.tier, options.results or ROOT / "results" / options.tier
    content = reference.snapshot(
        results, settings.load_tier(ROOT / "config" / f"{tier}.yaml", SCHEMAS), options.partial
    )
    path = ROOT / "reference" / "runs" / f"{tier}.json"
    records.write_text(path, reference.dumps(content))
    print(f"wrote {path.relative_to(ROOT)}")
    if tier == "standard":
        (ROOT / "docs" / "figures").mkdir(exist_ok=True)
        for figure in sorted((results / "figures").glob("*.svg")):
            with records.atomic(ROOT / "docs" / "figures" / figure.name) as temporary:
                shutil.copyfile(records.check(figure), temporary)
            print(f"wrote docs/figures/{figure.name}")
    refresh_documents()


if __name__ == "__main__":
    main()
