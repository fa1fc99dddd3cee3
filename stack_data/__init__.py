"""FairStack's corpus builder, its releases and the search index over them.

fetch -> license -> filter -> dedup -> redact -> opt-out -> release -> {index | tokenize} -> train -> complete -> attribute
"""
