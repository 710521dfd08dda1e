"""The chapters: a folder for each question, with its claims, experiments, estimands, figures and ledger.

Chapters of the user's own lie in the folders that the environment variable ``ALGOREG_CHAPTER_PATH`` names (the workflow
sets it from ``chapter_path``), or in those that installed packages name by an entry point.
"""

from algoreg.plugins import chapter_parents

__path__[:] = map(str, chapter_parents())
