"""What is in a picture: networks that were trained to see, and ship their weights as packages."""
