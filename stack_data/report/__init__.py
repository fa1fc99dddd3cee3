"""Reports of a build for people: what each stage removed and why, as text and as a page."""
