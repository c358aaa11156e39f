"""A container's output on disk: written without a copy through Python, read from any point.

segments     the format: files of raw bytes, each with an index of when and from which stream they came
packed       full segments, compressed in blocks; packer makes them
writer       LogWriter: from a pipe into the log, whatever dies
reader       LogReader: from any cursor, by lines from the end, by time
follower     waiting for more
lines        lines out of bytes; levels: at what level each was logged
outline      how many lines lie where; tally: how many of which level by time; search: which have what is looked for
answers      all of that as questions; clerk: the process that answers them
"""
