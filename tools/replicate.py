"""Run a tier on fresh seeds and compare it with the committed run: python tools/replicate.py SEED … --tier TIER.

The verdicts of each seed are written to results/<tier>-seed-<seed>/replication.json after its run. With --commit they
are also added to reference/replications/<tier>.json, which is committed and counted by `make docs`. If a control
fails, the verdict of its claim is recorded as `invalid`.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import yaml

from algoreg.claims.judging import NOT_JUDGED
from algoreg.regression import references, replications
from algoreg.results import records
from algoreg.settings import checking
from algoreg.settings.files import display_path, json_by_lines

ROOT = Path(__file__).resolve().parents[1]


def fresh_tier(tier, seed):
    """Write a tier file with another seed and return its path; its results are beside those of the tier.

    Raises
    ------
    SystemExit
        If the seed is the committed one, or out of range.
    """
    content = checking.load_yaml(ROOT / "config" / f"{tier}.yaml")
    if seed == content["seed"]:
        raise SystemExit(f"SEED = {seed}: this is the committed run's; a fresh one is any other")
    if not 0 <= seed < 2**31:
        raise SystemExit(f"SEED = {seed}: allowed is a whole number from 0 to 2147483647")
    name = f"{tier}-seed-{seed}"
    path = ROOT / "results" / name / f"{name}.yaml"
    records.write_text(path, yaml.safe_dump({**content, "tier": name, "like": tier, "seed": seed}, sort_keys=False))
    return path


def run(file, cores, claims=()):
    """Judge some or all claims of a tier file with Snakemake, even if controls fail; return its exit status."""
    folder = file.parent.relative_to(ROOT)
    wanted = [f"{folder}/claims/{name}.json" for name in claims] or [f"{folder}/claims.json"]
    command = [sys.executable, "-P", "-m", "snakemake", "--logger", "algoreg", "--cores", str(cores)]
    return subprocess.run([*command, *wanted, "--configfile", str(file)], cwd=ROOT).returncode


def judged(folder, claims):
    """Return the summary of a finished run's claims, or of some of them."""
    if not claims:
        return replications.run_summary(records.read_json(folder / "claims.json"))
    return replications.run_summary([records.read_json(folder / "claims" / f"{name}.json") for name in claims])


def of_chapter(name, tier):
    """Return the ids of the claims of a chapter that a tier judges.

    Raises
    ------
    SystemExit
        If there is no chapter of this name, or the tier judges none of its claims.
    """
    if name not in (known := references.paths(tier)):
        raise SystemExit(f"NAME = {name}: allowed are {', '.join(known)}")
    found = [claim["id"] for claim in references.read_claims(tier, [name]) if claim["verdict"] != NOT_JUDGED]
    if not found:
        raise SystemExit(f"NAME = {name}: tier {tier} judges none of its claims")
    return found


def expected(options):
    """Return how long a seed takes by the committed times; empty for single claims, which share their runs."""
    seconds = references.costs().get(options.tier, {}).get("chapters", {})
    chapters = [options.chapter] if options.chapter else list(seconds) if not options.claims else []
    total = sum(seconds.get(name, 0) for name in chapters) / 60
    return f", about {total:.0f} minutes of processor time" if total else ""


def report(new, committed):
    """Return a line for each claim whose verdict differs from the committed one, and the number of the others."""
    known = {claim["id"]: claim for claim in committed if claim["verdict"] != NOT_JUDGED}
    lines, same = [], 0
    for name in (name for name in known if name in new):
        this, other = new[name], known[name]
        agrees = replications.agrees(this, other)
        if this["verdict"] == other["verdict"] and agrees is not False:
            same += 1
            continue
        far = "" if agrees is not False else "; the estimates are further apart than their intervals allow"
        lines.append(
            f"{name}: {this['verdict']}, {this['estimate']} [{this['ci_low']}, {this['ci_high']}]; "
            f"committed {other['verdict']}, {other['estimate']} [{other['ci_low']}, {other['ci_high']}]{far}"
        )
    return "\n".join([*lines, f"{same} of {same + len(lines)} claims came out as committed."])


def keep(path, seed, new, whole=True):
    """Add a seed's summary to a file of replications, where it replaces the earlier one, or only these claims of it."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[str(seed)] = new if whole else {**known.get(str(seed), {}), **new}
    content = {seed: known[seed] for seed in sorted(known, key=int)}
    records.write_text(path, dumps(content))


def main():
    """Run the tier on one seed after the other, compare the verdicts and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", metavar="seed", nargs="+", type=int, help="a whole number other than the tier's seed")
    parser.add_argument("--tier", default="quick", choices=("quick", "standard"))
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument(
        "--claims", metavar="ID", nargs="+", default=[], help="judge only these claims, such as those with new draws"
    )
    parser.add_argument("--chapter", metavar="NAME", help="judge only the claims of this chapter")
    parser.add_argument(
        "--commit", action="store_true", help="also add the verdicts to reference/replications/<tier>.json"
    )
    options = parser.parse_args()
    if options.cores < 1:
        parser.error(f"--cores {options.cores}: allowed is a whole number of at least 1")
    committed = references.read_claims(options.tier)
    if unknown := set(options.claims) - {claim["id"] for claim in committed}:
        raise SystemExit(f"--claims {', '.join(sorted(unknown))}: allowed are ids of docs/claims.md")
    left_out = {claim["id"] for claim in committed if claim["verdict"] == NOT_JUDGED}
    if options.chapter:
        options.claims += of_chapter(options.chapter, options.tier)
    if idle := sorted(left_out.intersection(options.claims)):
        raise SystemExit(f"--claims {', '.join(idle)}: allowed are claims that tier {options.tier} judges")
    # All seeds are checked before the first run.
    files = [(seed, fresh_tier(options.tier, seed)) for seed in options.seeds]
    for number, (seed, file) in enumerate(files, start=1):
        print(f"seed {seed}, {number} of {len(files)}{expected(options)}", flush=True)
        if status := run(file, options.cores, options.claims):
            raise SystemExit(status)
        new = judged(file.parent, options.claims)
        paths = [file.with_name("replication.json"), *([replications.path_of(options.tier)] if options.commit else [])]
        for path in paths:
            keep(path, seed, new, whole=not options.claims)
        print(f"seed {seed}:\n{report(new, committed)}\nkept in {' and '.join(map(display_path, paths))}")


def dumps(content):
    """Return replications as JSON with one claim a line."""
    return json_by_lines(content, lambda path: len(path) < 2) + "\n"


if __name__ == "__main__":
    main()
