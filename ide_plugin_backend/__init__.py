"""FairStack's autocomplete backend for editors, which names the sources of what it suggests."""
