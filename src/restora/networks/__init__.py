"""Networks in PyTorch; the only room besides training that needs it."""
