"""Personal data and secrets in texts: found, and replaced. The stage is stack_data/stages/pii.py."""
