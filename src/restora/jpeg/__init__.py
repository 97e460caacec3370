"""What a JPEG file itself knows: markers, tables, coefficients; no pixels are decoded here."""
