"""The laws of measurements, and what they are called."""

LAWS = {
    "gaussian": "Gaussian",
    "gaussian_bfloat16": "rounded Gaussian",
    "signs": "random signs",
    "student_t": "Student's t",
    "rank_one_pairs": "rank one",
}
