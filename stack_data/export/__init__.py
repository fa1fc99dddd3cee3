"""Exports of a release as documents for training, in the formats of stack_data/formats/."""
