"""What a generated page may run and load, by its content security policy."""

import base64
import hashlib


def security_policy(*scripts: str, workers: bool = False, pictures: bool = False) -> str:
    """Return a page's content security policy: these scripts by hash, styles, embedded pictures, and nothing else.

    Styles have no hash: plotly.js writes some into the elements that it draws. They cannot run code, nor load anything
    here. ``workers`` allows scripts in threads of their own that the page makes itself, ``pictures`` those that lie
    where the page does.
    """
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    images = "'self' data:" if pictures else "data:"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        f"img-src {images}; font-src data:; "
        f"{'worker-src blob:; ' if workers else ''}base-uri 'none'; form-action 'none'"
    )
