"""Written by hand but for `resources`; `_sync` is generated from it."""
