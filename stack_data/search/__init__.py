"""Membership search: is this code in the corpus, where from, and under which licence.

So far the lexer, which decontamination uses too, and the hashes of k-grams over its views.
"""
