"""After the data are fitted: where weight decay and noise take descent along its fits, and how fast."""
