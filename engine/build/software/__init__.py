"""The software in a file system, read from the databases and lock files of package managers.

`find` reads a tree; `packages.py` says what a package is; each of the other modules reads what one family of package
managers writes. What is read is anybody's: every file is bounded, and one that makes no sense is left out.
"""
