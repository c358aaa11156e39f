"""A container's output on disk: written without a copy through Python, read from any point.

segments     the format: files of raw bytes, each with an index of when and from which stream they came
packed       full segments, compressed in blocks; packer makes them
writer       LogWriter: from a pipe into the log, whatever dies
reader       LogReader: from any cursor, by lines from the end, by time
follower     waiting for more
"""
