"""Look up every installed package in the public advisory databases: python tools/check_advisories.py.

Exit status 0: no advisory is known. 1: there are advisories, which are printed. 3: the look-up failed (no network, or
the database did not answer), so that nothing is known either way, which the script prints. Runs pip-audit of
.venv/tools, outside the environment.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIP_AUDIT = ROOT / ".venv" / "tools" / "bin" / "pip-audit"
OWN = "algoreg"
NOT_LOOKED = 3


def verdict(status, output):
    """Return the exit status and the message, given pip-audit's status and JSON output.

    pip-audit exits 1 both for a finding and for a failure, and 0 with "No known vulnerabilities found" if it could not
    look up any package; only its output distinguishes these cases.
    """
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return (
            NOT_LOOKED,
            "advisories: COULD NOT LOOK: the advisory database did not answer; nothing is known either way",
        )
    skipped = [package for package in packages if "skip_reason" in package]
    found = [(package, hole) for package in packages for hole in package.get("vulns", [])]
    lines = [
        f"{package['name']} {package['version']}: {hole['id']}, fixed in {', '.join(hole['fix_versions']) or 'no version'}"
        for package, hole in found
    ]
    if skipped:
        names = ", ".join(package["name"] for package in skipped[:3]) + (", …" if len(skipped) > 3 else "")
        lines.append(
            f"advisories: COULD NOT LOOK for {len(skipped)} packages: {names}; nothing is known of them either way"
        )
    lines.append(f"advisories: {len(packages) - len(skipped)} packages looked up, {len(found)} advisories")
    if found:
        return 1, "\n".join(lines)
    return (NOT_LOOKED if skipped or status else 0), "\n".join(lines)


def installed(distributions):
    """Return requirement lines of installed packages, including torch, without this project, which no database knows.

    Versions are public ones, because databases contain releases (2.13.0) but not builds (2.13.0+cpu).
    """
    pins = {
        (re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower(), package.version.split("+")[0])
        for package in distributions
    }
    return [f"{name}=={version}" for name, version in sorted(pins) if name != OWN]


def main():
    """Look up the installed packages."""
    if not PIP_AUDIT.exists():
        print("advisories: COULD NOT LOOK: pip-audit is not installed (make tools)")
        return NOT_LOOKED
    options = ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off", "--timeout", "20"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(installed(metadata.distributions())) + "\n")
        file.flush()
        command = [PIP_AUDIT, "--requirement", file.name, *options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        except subprocess.TimeoutExpired:
            print("advisories: COULD NOT LOOK: the advisory database did not answer within four minutes")
            return NOT_LOOKED
    status, text = verdict(done.returncode, done.stdout)
    print(text)
    return status


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.exit(main())
