"""What a generated page may run and load, by its content security policy."""

import base64
import hashlib


def security_policy(*scripts: str, workers: bool = False) -> str:
    """Return a page's content security policy: these scripts by hash, styles, embedded pictures, and nothing else.

    Styles have no hash: plotly.js writes some into the elements that it draws. They cannot run code, nor load anything
    here. ``workers`` allows scripts in threads of their own that the page makes itself.
    """
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        f"{'worker-src blob:; ' if workers else ''}base-uri 'none'; form-action 'none'"
    )
