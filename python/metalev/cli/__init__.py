"""The command ``metalev``: options in, one program run, errors as one line."""
