"""What the library knows and decides: pure values and rules, no input or output, no clock, no wire."""
