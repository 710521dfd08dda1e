"""Sharp constants: what theory without a free constant says of recovery, beside what is measured."""
