"""Training SSP-IR: the Processor, then all of it."""
