"""A container's output on disk: written without a copy through Python, read from any point."""
