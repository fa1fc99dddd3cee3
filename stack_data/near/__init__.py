"""Near duplicates: sets of shingles, MinHash signatures, banded look-up, exact Jaccard verification, clusters."""
