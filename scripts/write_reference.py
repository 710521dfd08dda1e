"""Rewrite a tier's committed reference and what is generated from it: python scripts/write_reference.py TIER."""

import argparse
import json
import shutil
from pathlib import Path

from algoreg import records, reference, report, settings

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "workflow" / "schemas"
TIERS = ("smoke", "quick", "standard")
DOCUMENTS = ("README.md", "docs/deviations.md")


def refresh_documents():
    """Fill the marked blocks of the documents from the committed references."""
    paths = {tier: ROOT / "reference" / "runs" / f"{tier}.json" for tier in TIERS}
    references = {tier: json.loads(path.read_text(encoding="utf-8")) for tier, path in paths.items() if path.exists()}
    if "standard" not in references:
        return
    blocks = report.blocks(references, settings.load_claims(ROOT / "config" / "claims.yaml", SCHEMAS))
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        records.write_text(ROOT / name, report.fill(text, blocks))
        print(f"filled {name}")


def main():
    """Write reference/runs/<tier>.json; for standard also docs/figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", choices=TIERS)
    tier = parser.parse_args().tier
    results = ROOT / "results" / tier
    content = reference.snapshot(results, settings.load_tier(ROOT / "config" / f"{tier}.yaml", SCHEMAS))
    path = ROOT / "reference" / "runs" / f"{tier}.json"
    records.write_text(path, reference.dumps(content))
    print(f"wrote {path.relative_to(ROOT)}")
    if tier == "standard":
        (ROOT / "docs" / "figures").mkdir(exist_ok=True)
        for figure in sorted((results / "figures").glob("*.svg")):
            shutil.copyfile(records.check(figure), ROOT / "docs" / "figures" / figure.name)
            print(f"wrote docs/figures/{figure.name}")
    refresh_documents()


if __name__ == "__main__":
    main()
