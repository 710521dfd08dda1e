"""Check the licences of all installed packages against docs/licences.yaml: python tools/check_licences.py.

Reads the packages' metadata and needs no network. Exit status 1 if a package has a licence that is not allowed, or
names none.
"""

import argparse
import fnmatch
import re
import sys
from importlib import metadata
from pathlib import Path

import yaml
from license_expression import ExpressionError, ParseError, get_spdx_licensing

SPDX = get_spdx_licensing()
ROOT = Path(__file__).resolve().parents[1]
ALLOWED = ROOT / "docs" / "licences.yaml"
# Lines that may precede the words of the MIT licence, which are taken from this repository's LICENSE.
MIT_HEAD = r"((The )?MIT License( \(MIT\))? )?(Copyright .{1,200} )?"
MIT_BODY = "Permission is hereby granted"


def stated(distribution):
    """Return a package's statement of its licence: (an SPDX expression or None, other words for it)."""
    meta = distribution.metadata
    if meta.get("License-Expression"):
        return meta["License-Expression"], []
    classifiers = [line for line in meta.get_all("Classifier", []) if line.startswith("License ::")]
    words = [line.rsplit(" :: ", 1)[1] for line in classifiers if line != "License :: OSI Approved"]
    text = (meta.get("License") or "").split()
    return None, words or ([" ".join(text)] if text else recognised(distribution))


def recognised(distribution):
    """Return ["MIT"] if every licence file of a package that names no licence is exactly the MIT licence."""
    files = [
        path
        for path in distribution.files or []
        if Path(path).name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))
    ]
    texts = [" ".join(path.locate().read_text(encoding="utf-8").split()) for path in files]
    ours = " ".join((ROOT / "LICENSE").read_text(encoding="utf-8").split())
    body = re.escape(ours[ours.index(MIT_BODY) :])
    return ["MIT"] if texts and all(re.fullmatch(MIT_HEAD + body, text) for text in texts) else []


def allowed(expression, licences):
    """Return whether allowed licences satisfy an SPDX expression: all parts of an AND, one part of an OR.

    Raises
    ------
    license_expression.ExpressionError, license_expression.ParseError
        If the expression is not valid.
    """

    def met(node):
        if isinstance(node, SPDX.AND):
            return all(met(part) for part in node.args)
        if isinstance(node, SPDX.OR):
            return any(met(part) for part in node.args)
        return node.render() in licences

    return met(SPDX.parse(expression))


def problem(distribution, policy):
    """Return the problem of a package's licence, or None."""
    name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
    if any(fnmatch.fnmatch(name, pattern) for pattern in policy["packages"]):
        return None
    licences = {licence for group in policy["allowed"].values() for licence in group}
    expression, words = stated(distribution)
    if expression is None:
        spelled = {**{licence: licence for licence in licences}, **policy["spelled"]}
        if not words:
            return f"{name}: names no licence"
        if all(spelled.get(word) in licences for word in words):
            return None
        return f"{name}: {', '.join(words):.200}"
    try:
        return None if allowed(expression, licences) else f"{name}: {expression}"
    except (ExpressionError, ParseError):
        return f"{name}: {expression!r} is no SPDX expression"


def main():
    """Check every installed package and print all problems."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    policy = yaml.safe_load(ALLOWED.read_text(encoding="utf-8"))
    installed = list(metadata.distributions())
    problems = sorted(filter(None, (problem(distribution, policy) for distribution in installed)))
    for line in problems:
        print(f"{line}: not in docs/licences.yaml")
    print(f"licences: {len(installed) - len(problems)} packages in order, {len(problems)} not")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
