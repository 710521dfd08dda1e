"""Fetch a published tier and unpack its results: python tools/fetch_results.py TIER.

The crate is one that `make crate` wrote and somebody published as an asset of a release. Its address and checksum are
read from ``reference/releases.json``: ``{"<tier>": {"url": "https://…/crate.zip", "sha256": "…"}}``. The environment
variables URL and SHA256 take precedence.
"""

import argparse
import hashlib
import json
import os
import re
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
RELEASES = Path("reference") / "releases.json"


def source(tier, root, environment):
    """Return the address and the checksum of a tier's crate, or stop with a message about what is needed."""
    path = root / RELEASES
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    entry = known.get(tier, {})
    url, digest = environment.get("URL") or entry.get("url"), environment.get("SHA256") or entry.get("sha256")
    if not url or not digest:
        raise SystemExit(
            f"tier {tier}: no published results are known. Needed are the address of a crate.zip that `make crate TIER={tier}` "
            f"wrote, and its SHA-256: make fetch-results TIER={tier} URL=https://… SHA256=…, or an entry in {RELEASES}"
        )
    if not re.match(r"(https|file)://", url) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise SystemExit(f"URL = {url}: allowed is https://…; SHA256 = {digest}: allowed are 64 digits of 0-9 and a-f")
    return url, digest


def members(archive, tier):
    """Return the files of a tier's results in a crate, and refuse a crate with a name that leads elsewhere."""
    names = [name for name in archive.namelist() if not name.endswith("/")]
    wrong = [name for name in names if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name]
    if wrong:
        raise SystemExit(f"{wrong[0]}: a name that leads out of the folder; nothing was unpacked")
    found = [name for name in names if name.startswith(f"results/{tier}/")]
    if f"results/{tier}/claims.json" not in found:
        raise SystemExit(f"it has no results/{tier}/claims.json: no crate of tier {tier}; nothing was unpacked")
    return found


def fetch(tier, root=ROOT, environment=os.environ):
    """Fetch a crate, compare its checksum, and unpack it; an existing folder of the tier is never changed.

    ``environment`` may contain URL and SHA256.
    """
    url, digest = source(tier, root, environment)
    if (root / "results" / tier).exists():
        raise SystemExit(f"results/{tier} is there already: make clean TIER={tier} deletes it")
    try:
        with tempfile.TemporaryFile() as file:
            seen = download(url, file)
            if seen != digest:
                raise SystemExit(f"{url}: its SHA-256 is {seen}, not {digest}; nothing was unpacked")
            with zipfile.ZipFile(file) as archive:
                names = members(archive, tier)
                unpack(archive, names, tier, root)
    except (OSError, zipfile.BadZipFile) as error:
        raise SystemExit(f"{url}: {error}; nothing was unpacked") from error
    print(f"unpacked {len(names)} files into results/{tier}; open results/{tier}/report/index.html")


def download(url, file):
    """Download an address into an open file, and return the SHA-256."""
    seen = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=60) as answer:
        while block := answer.read(1 << 20):
            seen.update(block)
            file.write(block)
    return seen.hexdigest()


def unpack(archive, names, tier, root):
    """Unpack a tier's files beside their final folder, then move them there together.

    All files get the same time stamp, because Snakemake re-runs results that are older than their inputs.
    """
    (root / "results").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{tier}-", dir=root / "results") as folder:
        now = time.time()
        for name in names:
            os.utime(archive.extract(name, folder), (now, now))
        (Path(folder) / "results" / tier).rename(root / "results" / tier)


def main():
    """Fetch the tier named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", help="name of the tier")
    fetch(parser.parse_args().tier)


if __name__ == "__main__":
    main()
