"""The world as a directory: manifests that people edit, and beside them what metalev writes."""
