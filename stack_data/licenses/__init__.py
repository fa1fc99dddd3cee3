"""Which licence covers a file: texts, notices and tags found in files, joined over a tree into a verdict."""
