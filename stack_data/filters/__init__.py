"""Quality filters: what is measured of a text, the thresholds of each profile and language, and the reason that follows."""
