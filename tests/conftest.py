"""Settings all tests share."""

from hypothesis import settings

# A machine that is busy elsewhere must not fail a test: speed is measured by `restora bench`.
settings.register_profile("restora", deadline=None, max_examples=40, print_blob=True)
settings.load_profile("restora")
