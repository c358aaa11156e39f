"""Django's SQLite, which writes no query anew that it has written before (`base`)."""
