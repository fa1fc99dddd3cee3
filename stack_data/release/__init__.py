"""The release: the one step that writes bytes out. release.py runs it; each other module owns one of its outputs."""
