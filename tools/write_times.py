"""Renew the committed times of a tier, and the tables of them, from a run: python tools/write_times.py TIER."""

import argparse
import json
from pathlib import Path

from algoreg.recipes import Recipes
from algoreg.regression import references
from algoreg.results import records
from algoreg.settings import checking, plan
from algoreg.settings.chapters import load_chapters
from algoreg.settings.tier import TIERS
from write_docs import refresh_documents

ROOT = Path(__file__).resolve().parents[1]


def keep_times(tier, results, chapters):
    """Add the times of a run of a tier, or of the chapters that were run, to reference/cost.json.

    Parameters
    ----------
    tier : mapping
        The tier's settings.
    results : pathlib.Path
        The folder ``results/<tier>``.
    chapters : list
        The chapters that were run; a user's own are left out.
    """
    recipes, folder = Recipes(tier, checking.load_claims(), ROOT), results / "provenance"
    shipped, made, required = [], set(), {}
    for chapter in (one for one in chapters if one.shipped):
        tables = [recipes.table(name) for name in chapter.tables if name in plan.tables(tier)]
        names = set(map(records.name_in_tier, recipes.required(tables)))
        # Of tier full only parts are run.
        if tier["tier"] == "full" or all((folder / f"{name}.json").exists() for name in names):
            shipped.append(chapter)
            made |= names
    for entry in recipes.judged:
        if entry["id"] in {claim["id"] for chapter in shipped for claim in chapter.claims}:
            required[entry["id"]] = list(map(records.name_in_tier, recipes.required([recipes.verdict(entry)])))
            made |= set(required[entry["id"]])
    costs = references.costs()
    costs[tier["tier"]] = references.times(costs.get(tier["tier"], {}), folder, shipped, sorted(made), required)
    records.write_text(references.COSTS, json.dumps(costs, indent=2) + "\n")


def main():
    """Renew the times of a tier from a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", choices=TIERS)
    parser.add_argument("--results", type=Path, help="folder of the tier's results (default: results/<tier>)")
    options = parser.parse_args()
    tier = checking.load_tier(ROOT / "config" / f"{options.tier}.yaml")
    keep_times(tier, options.results or ROOT / "results" / options.tier, load_chapters())
    refresh_documents()


if __name__ == "__main__":
    main()
