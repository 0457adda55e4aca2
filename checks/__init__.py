"""The sessions of nox, by what they check; ``noxfile.py`` lists them."""
