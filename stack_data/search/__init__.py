"""Membership search: is this code in the corpus, where from, and under which licence.

The lexer and hashes of k-grams over its views, which decontamination uses too; segments and the index over them (build, add, merge,
remove); queries verified token by token; look-ups by owner, repository, file and words; scans of checkouts; the deny index.
"""
