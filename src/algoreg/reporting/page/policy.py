"""The content security policy of a generated page, which limits what it may run and load."""

import base64
import hashlib


def security_policy(*scripts: str, workers: bool = False, pictures: bool = False) -> str:
    """Return a page's content security policy: these scripts by hash, styles, embedded pictures, and nothing else.

    Styles are allowed without hash, because plotly.js writes styles into the elements that it draws; with this policy
    they can neither run code nor load anything. ``workers`` allows worker scripts that the page creates itself, and
    ``pictures`` allows pictures from the page's own origin.
    """
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    images = "'self' data:" if pictures else "data:"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        f"img-src {images}; font-src data:; "
        f"{'worker-src blob:; ' if workers else ''}base-uri 'none'; form-action 'none'"
    )
