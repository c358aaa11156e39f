"""A volume's files brought away and back: as a tar stream, to a directory of the host, to S3-compatible storage.

service    what is asked for: write, restore, remove, try
streams    files → tar → zstd, hashed on the way; and back
place      what a place for backups can do, and how they are called there
directory, s3   the two kinds of place
"""
