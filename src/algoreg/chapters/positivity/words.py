"""What a reader calls the measurements of the chapter's tables."""

NAMES = {
    "gaussian": "Gaussian",
    "trace_row": "Gaussian, one row the trace",
    "rank_one": "xxᵀ",
    "wishart": "Wishart, p = d + 2",
    "pauli_effects": "Pauli effects (I ± P)/2",
    "hermitian": "Gaussian, Hermitian",
}
