"""A quantum state from counts of measured settings, with error bars of its fidelity."""

import numpy as np

from algoreg.recover import StateRegressor, expectations_from_counts, fidelity

counts = {
    "XX": {"00": 480, "11": 470, "01": 26, "10": 24},
    "YY": {"01": 475, "10": 477, "00": 22, "11": 26},
    "ZZ": {"00": 482, "11": 468, "01": 25, "10": 25},
}
strings, expectations, shots = expectations_from_counts(counts)
model = StateRegressor().fit(strings, expectations, shots=shots)
bell = np.array([1, 0, 0, 1]) / np.sqrt(2)
bars = model.error_bars(lambda rho: fidelity(rho, bell), replicates=30)
print(f"fidelity {bars['estimate']:.3f} ± {bars['standard_error']:.3f}, error {1 - bars['estimate']:.2f}")
