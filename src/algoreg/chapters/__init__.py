"""The chapters: a folder for each question, with its claims, experiments, studies, estimands, figures and ledger.

Chapters of the user's own lie in the folders that the environment variable ``ALGOREG_CHAPTER_PATH`` names; the workflow
sets it from ``chapter_path``.
"""

import os

from algoreg.sources import CHAPTER_PATH

__path__ += filter(None, os.environ.get(CHAPTER_PATH, "").split(os.pathsep))
