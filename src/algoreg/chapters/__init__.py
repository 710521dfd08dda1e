"""The chapters: a folder for each question, with its claims, experiments, experiments, estimands, figures and ledger.

Chapters of the user's own lie in the folders that the environment variable ``ALGOREG_CHAPTER_PATH`` names; the workflow
sets it from ``chapter_path``.
"""

from algoreg.plugins import CHAPTER_PATH, paths_in

__path__ += paths_in(CHAPTER_PATH)
