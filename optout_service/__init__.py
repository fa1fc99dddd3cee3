"""FairStack's service for developers: is my code included, take it out, prove that it is out."""
