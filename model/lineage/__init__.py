"""Lineage: which data a checkpoint has seen, under which opt-outs, and what it saw of something that left later."""
