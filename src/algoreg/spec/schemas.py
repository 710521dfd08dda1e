"""jsonschema, loaded without its check of international addresses, which no schema here asks for.

Where jupyter's packages are installed, that check compiles a grammar on import: a second in every run of Snakemake and in every notebook.
"""

import sys

_GRAMMAR = "rfc3987_syntax"
if "jsonschema" not in sys.modules and _GRAMMAR not in sys.modules:
    # None makes the import fail, and jsonschema then goes without, as it does where the package is not installed.
    sys.modules[_GRAMMAR] = None
    try:
        import jsonschema
    finally:
        del sys.modules[_GRAMMAR]
else:
    import jsonschema

__all__ = ["jsonschema"]
