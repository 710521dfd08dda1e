"""Look up the locked packages in the public advisory databases: python scripts/check_advisories.py.

Exit status 0: looked up, none known. 1: there are some, named. 3: could not look (no network, or the database did not
answer); then nothing is known either way, and the script says so. Runs pip-audit by uvx, outside the environment.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIP_AUDIT = "pip-audit==2.10.1"
NOT_LOOKED = 3


def verdict(status, output):
    """Return the exit status and what is to be said of pip-audit's own status and JSON output.

    pip-audit exits 1 both for a finding and for a failure, and 0 with "No known vulnerabilities found" where it could look
    no package up; only its output tells them apart.
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


def main():
    """Look up the lock."""
    uvx = shutil.which("uvx", path=str(Path(sys.executable).parent)) or shutil.which("uvx")
    if uvx is None:
        print("advisories: COULD NOT LOOK: uvx is not installed (make setup)")
        return NOT_LOOKED
    options = ["--requirement", ROOT / "requirements.lock", "--disable-pip", "--require-hashes", "--format", "json"]
    command = [
        uvx,
        "--quiet",
        "--from",
        PIP_AUDIT,
        "pip-audit",
        *options,
        "--progress-spinner",
        "off",
        "--timeout",
        "20",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    except subprocess.TimeoutExpired:
        print("advisories: COULD NOT LOOK: the advisory database did not answer within four minutes")
        return NOT_LOOKED
    status, text = verdict(done.returncode, done.stdout)
    print(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
