"""From a plan and a picture to a restored picture."""
