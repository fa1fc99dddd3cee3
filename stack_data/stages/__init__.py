"""The stages: each decides about rows and writes decisions; none removes anything. pipeline.py runs them in order."""
