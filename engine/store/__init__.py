"""What a host must remember in transactions: one SQLite database and, in it, the journal of events."""
