"""Our own driver for Tokyo Cabinet and Tokyo Tyrant, of use without models.

`library` opens files through the C library, `search` says what to look for. What
models make of a table is in `columns` and `conditions`.
"""
