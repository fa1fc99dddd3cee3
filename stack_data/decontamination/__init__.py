"""Decontamination: benchmarks that models are measured with, and whether a text holds their tasks or solutions."""
