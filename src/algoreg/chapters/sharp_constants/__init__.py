"""Sharp constants: predictions of recovery without a free constant, beside measurements."""
