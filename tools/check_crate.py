"""Check a crate by the validator of its community: .venv/crate/bin/python tools/check_crate.py CRATE.

Fails if the crate lacks something that the validator's profiles require, and prints what they recommend. The profiles
come with the validator, the definitions of terms with the library that wrote the crate: nothing is fetched.
"""

import argparse
import json
import sys
from importlib.resources import files
from typing import ClassVar

PROFILE = "workflow-run-crate-0.5"
ADDRESS = "https://w3id.org/ro/crate/1.1/context"
# Terms whose definitions in RO-Crate 1.1 differ from the version that the library contains.
OLDER = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}


class Known:
    """The answer to a look-up of the definitions of terms, without a network."""

    status_code = 200
    headers: ClassVar = {"Content-Type": "application/ld+json"}

    def __init__(self, url):
        if url != ADDRESS:
            raise LookupError(f"{url}: the crate may use {ADDRESS} alone")

    def json(self):
        """Return the definitions."""
        text = (files("rocrate") / "data" / "ro-crate.jsonld").read_text(encoding="utf-8")
        return {"@context": {**json.loads(text)["@context"], **OLDER}}


def problems(path):
    """Return the problems of a crate and the recommendations of its profiles, as sentences."""
    # Imported here, so that --help works without this library.
    from rocrate_validator import services
    from rocrate_validator.models import Severity, ValidationSettings
    from rocrate_validator.utils.http import HttpRequester

    # The validator has no setting for this; its offline mode reads a cache of earlier downloads.
    HttpRequester.get = lambda self, url, **options: Known(url)
    asked = {"profile_identifier": PROFILE, "requirement_severity": Severity.RECOMMENDED}
    result = services.validate(ValidationSettings(rocrate_uri=str(path), **asked))
    return [f"{issue.severity.name.lower()}: {issue.message}" for issue in result.get_issues()]


def main():
    """Print all problems and recommendations; exit 1 if there is a problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crate", help="the crate: a zip file or a folder")
    found = problems(parser.parse_args().crate)
    print("\n".join(dict.fromkeys(found)))
    required = [line for line in found if line.startswith("required")]
    print(f"{PROFILE}: {'not valid' if required else 'valid'}, {len(found) - len(required)} recommendations open")
    sys.exit(bool(required))


if __name__ == "__main__":
    main()
