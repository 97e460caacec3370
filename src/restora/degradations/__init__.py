"""How clean pictures get bad."""
