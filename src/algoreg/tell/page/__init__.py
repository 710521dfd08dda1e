"""The report page: verdicts, their evidence and where each number comes from, as one file that needs no network."""
