"""Pack a finished tier as a Workflow Run RO-Crate: .venv/crate/bin/python tools/make_crate.py TIER.

The crate, results/<tier>/crate.zip, contains the workflow, the tier's settings, and all results with their sidecars,
with the same paths as here. The script needs no library but rocrate. See
https://www.researchobject.org/workflow-run-crate/
"""

import argparse
import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
FILES = (
    "README.md",
    "LICENSE",
    "CITATION.cff",
    "codemeta.json",
    "environment.yml",
    "requirements.lock",
    "references.bib",
)
FOLDERS = ("workflow", "scripts", "src", "profiles", "reference", "notebooks")
# The outputs of a run: the parameter's name, its description, and the files below the tier's folder.
MADE = {
    "verdicts": ("What came of every claim, with estimate, interval, margin and control", "claims.json"),
    "tables": ("One row per run", "tables/*.csv"),
    "figures": ("Pictures of the tables", "figures/*"),
    "pages": ("The report, and the verdicts as a table", "report/*.html"),
    "explorer": ("Descent that runs in the browser", "explorer.html"),
    "notebooks": ("Notebooks, executed on the tier", "notebooks/*"),
    "controls": ("That every control came out as it must", "controls.json"),
}
# Files and folders below the tier's folder that only the next run on the same machine would read.
LEFT_OUT = ("logs", "checkpoints", "crate.zip", "verify.txt")
TYPES = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".yaml": "application/yaml",
    ".md": "text/markdown",
    ".py": "text/x-python",
}


def sidecars(results):
    """Return the sidecar of each result in a tier's folder, by path, after checking the bytes."""
    found = {}
    for path in sorted((results / "provenance").rglob("*.json")):
        name = path.relative_to(results / "provenance").as_posix().removesuffix(".json")
        said = json.loads(path.read_text(encoding="utf-8"))
        if not (results / name).exists() or hashlib.sha256((results / name).read_bytes()).hexdigest() != said["sha256"]:
            raise SystemExit(f"{results / name}: it differs from its sidecar. Run its tier again first.")
        found[name] = said
    if "claims.json" not in found or "controls.json" not in found:
        raise SystemExit(f"{results}: no finished tier. Run it first, as make quick does for tier quick.")
    for page in (name for name in found if name.startswith("report/")):
        for name, digest in found[page].get("inputs", {}).items():
            made = found.get(name.removeprefix(f"results/{results.name}/"), {}) if name.startswith("results/") else {}
            # A chapter that was verified alone has overwritten the list of verdicts.
            if made.get("sha256", digest) != digest:
                raise SystemExit(f"{results}/{page}: it was made from another {name}. Run its tier again first.")
    return found


def span(said):
    """Return the start of the first job and the end of the last job."""
    ends = [datetime.fromisoformat(one["written"]) for one in said.values()]
    starts = [end - timedelta(seconds=one["seconds"]) for end, one in zip(ends, said.values(), strict=True)]
    return min(starts).isoformat(timespec="seconds"), max(ends).isoformat(timespec="seconds")


def entity(crate, address, kind, **properties):
    """Add an entity that is not a file, and return it."""
    from rocrate.model.contextentity import ContextEntity

    return crate.add(ContextEntity(crate, address, properties={"@type": kind, **properties}))


def parameter(crate, workflow, side, name, said):
    """Add a parameter of the workflow to its ``input`` or ``output``, and return it."""
    profile = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
    added = entity(crate, f"#{name}", "FormalParameter", name=name, description=said, additionalType="File")
    added["conformsTo"] = {"@id": profile}
    known = workflow.get(side)
    workflow[side] = [*(known if isinstance(known, list) else [known]), added] if known else added
    return added


def described(crate, root, name, **properties):
    """Add a file at its path, with its name and its kind."""
    kind = TYPES.get(Path(name).suffix, "text/plain")
    return crate.add_file(root / name, name, properties={"name": name, "encodingFormat": kind, **properties})


def head(crate, root, tier, authors):
    """Add the crate's description, authors and profiles."""
    about = json.loads((root / "codemeta.json").read_text(encoding="utf-8"))
    crate.name = f"{about['name']} {about['version']}, tier {tier}"
    crate.description = about["description"]
    licence = {"name": "MIT License", "identifier": about["license"], "url": about["license"]}
    crate.root_dataset["license"] = entity(crate, about["license"], "CreativeWork", **licence)
    crate.keywords = about["keywords"]
    crate.root_dataset["author"] = authors
    crate.root_dataset["publisher"] = authors
    crate.root_dataset["version"] = about["version"]
    for address, name in PROFILES.items():
        version = address.rsplit("/", 1)[1]
        entity(crate, address, "CreativeWork", name=name, version=version)
        crate.root_dataset.append_to("conformsTo", {"@id": address})
    paper = about["referencePublication"][0]
    entity(crate, paper["@id"], "ScholarlyArticle", name=paper["name"])
    crate.root_dataset["citation"] = {"@id": paper["@id"]}
    return about


def workflow_of(crate, root, about, authors):
    """Add the workflow with its parts, and return it."""
    main = crate.add_workflow(root / "Snakefile", "Snakefile", main=True, lang="snakemake")
    main["conformsTo"] = {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"}
    main["name"] = about["name"]
    main["encodingFormat"] = "text/plain"
    main["version"] = about["version"]
    main["license"] = {"@id": about["license"]}
    main["creator"] = authors
    for name in FILES:
        if (root / name).exists():
            described(crate, root, name)
    crate.get("README.md")["about"] = crate.root_dataset
    for name in FOLDERS:
        paths = [
            path for path in sorted((root / name).rglob("*")) if path.is_file() and "__pycache__" not in path.parts
        ]
        for path in paths:
            if ".egg-info" not in str(path):
                described(crate, root, path.relative_to(root).as_posix())
    return main


def results_of(crate, root, results, said):
    """Add all results of a tier; return the files by their path below the tier's folder."""
    added = {}
    for path in sorted(results.rglob("*")):
        name = path.relative_to(results).as_posix()
        # A killed job leaves the unfinished file that it was writing.
        if path.is_file() and name.split("/")[0] not in LEFT_OUT and path.suffix != ".part":
            properties = {"sha256": said[name]["sha256"], "dateCreated": said[name]["written"]} if name in said else {}
            added[name] = described(crate, root, path.relative_to(root).as_posix(), **properties)
    return added


def crate_of(tier, root=ROOT):
    """Return the crate of a finished tier, not yet written, from ``config/<tier>.yaml`` and ``results/<tier>/``."""
    results = root / "results" / tier
    if not (root / "config" / f"{tier}.yaml").exists():
        raise SystemExit(f"{tier}: a crate has its settings with it; move its file to config/{tier}.yaml")
    said = sidecars(results)
    # Imported here, so that --help works without this library.
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = "http://schema.org/sha256"
    crate.metadata["conformsTo"] = [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": list(PROFILES)[-1]}]
    authors = entity(crate, "#authors", "Organization", name="The algoreg authors")
    about = head(crate, root, tier, authors)
    main = workflow_of(crate, root, about, authors)
    settings = described(crate, root, f"config/{tier}.yaml")
    settings["exampleOfWork"] = parameter(crate, main, "input", "tier", "The settings of a tier, a YAML file")
    added, outputs = results_of(crate, root, results, said), []
    for name, (meaning, pattern) in MADE.items():
        formal = parameter(crate, main, "output", name, meaning)
        names = [path.relative_to(results).as_posix() for path in sorted(results.glob(pattern))]
        for made in [added[name] for name in names if name in added]:
            made["exampleOfWork"] = formal
            outputs.append(made)
    start, end = span(said)
    commits = sorted({one["commit"] for one in said.values() if one["commit"]})
    action = entity(crate, f"#run-{tier}", "CreateAction", name=f"Run of tier {tier}", startTime=start, endTime=end)
    action["description"] = f"snakemake --configfile config/{tier}.yaml, at commit {', '.join(commits) or 'unknown'}"
    action["instrument"], action["agent"] = main, authors
    action["object"], action["result"] = settings, outputs
    action["actionStatus"] = "http://schema.org/CompletedActionStatus"
    crate.root_dataset["mentions"] = action
    return crate


def main():
    """Write the crate and print its checksum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", help="a finished tier's name")
    tier = parser.parse_args().tier
    path = ROOT / "results" / tier / "crate.zip"
    for old in (path, part := path.with_name("crate.part.zip")):
        old.unlink(missing_ok=True)
    crate_of(tier).write_zip(part)
    part.rename(path)
    print(f"wrote {path.relative_to(ROOT)}, {path.stat().st_size / 1e6:.1f} MB")
    print(f"SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
