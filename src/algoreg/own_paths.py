"""Paths to what is the user's own, as the environment names them: a module apart,
as every process that loads a chapter loads it.
"""

import os

# Folders with chapters, and files of one algorithm each; see algoreg.chapters and algoreg.own.
CHAPTER_PATH = "ALGOREG_CHAPTER_PATH"
ALGORITHM_PATH = "ALGOREG_ALGORITHM_PATH"


def listed(variable: str) -> list[str]:
    """Return the paths that an environment variable lists, as PATH does."""
    return [path for path in os.environ.get(variable, "").split(os.pathsep) if path]
