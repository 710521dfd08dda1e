"""The condition number: whether recovery takes more measurements where X* has small eigenvalues."""
