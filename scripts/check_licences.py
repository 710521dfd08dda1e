"""Check the licences of all installed packages against docs/licences.yaml: python scripts/check_licences.py.

Reads the packages' own metadata, no network. Exit status 1 if a package has a licence that is not allowed, or says none.
"""

import fnmatch
import re
import sys
from importlib import metadata
from pathlib import Path

import yaml

# A licence known by its text, for packages whose metadata do not name it.
TEXTS = {"Permission is hereby granted, free of charge, to any person obtaining a copy of this software": "MIT"}
ALLOWED = Path(__file__).resolve().parents[1] / "docs" / "licences.yaml"


def stated(distribution):
    """Return what a package says of its licence: (an SPDX expression or None, other words for it)."""
    meta = distribution.metadata
    if meta.get("License-Expression"):
        return meta["License-Expression"], []
    classifiers = [line for line in meta.get_all("Classifier", []) if line.startswith("License ::")]
    words = [line.rsplit(" :: ", 1)[1] for line in classifiers if line != "License :: OSI Approved"]
    text = (meta.get("License") or "").strip().splitlines()
    return None, words or text[:1] or recognised(distribution)


def recognised(distribution):
    """Return the licences of a package's licence files, as far as their text is known."""
    files = [
        path
        for path in distribution.files or []
        if Path(path).name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))
    ]
    texts = [" ".join(path.locate().read_text(encoding="utf-8").split()) for path in files]
    return sorted({name for text in texts for opening, name in TEXTS.items() if opening in text})


def allowed(expression, licences):
    """Return whether an SPDX expression is met by allowed licences: all of an AND, one of an OR."""
    tokens = re.findall(r"\(|\)|\bAND\b|\bOR\b|[^\s()]+(?: WITH [^\s()]+)?", expression)

    def either():
        values = [both()]
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            values.append(both())
        return any(values)

    def both():
        values = [one()]
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            values.append(one())
        return all(values)

    def one():
        token = tokens.pop(0)
        if token != "(":
            return token in licences
        value = either()
        tokens.pop(0)
        return value

    return either() and not tokens


def problem(distribution, policy):
    """Return what is wrong with a package's licence, or None."""
    name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
    if any(fnmatch.fnmatch(name, pattern) for pattern in policy["packages"]):
        return None
    licences = {licence for group in policy["allowed"].values() for licence in group}
    expression, words = stated(distribution)
    if expression is None:
        spelled = {**{licence: licence for licence in licences}, **policy["spelled"]}
        if not words:
            return f"{name}: says no licence"
        if all(spelled.get(word) in licences for word in words):
            return None
        return f"{name}: {', '.join(words)}"
    return None if allowed(expression, licences) else f"{name}: {expression}"


def main():
    """Check every installed package and print what is wrong."""
    policy = yaml.safe_load(ALLOWED.read_text(encoding="utf-8"))
    installed = list(metadata.distributions())
    problems = sorted(filter(None, (problem(distribution, policy) for distribution in installed)))
    for line in problems:
        print(f"{line}: not in docs/licences.yaml")
    print(f"licences: {len(installed) - len(problems)} packages in order, {len(problems)} not")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
