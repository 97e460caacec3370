"""SSP-IR: real-world pictures, guided by words, image tokens and a cleaned structure."""
