"""Blobs by digest, ingests that become blobs, and leases that keep both from garbage collection.

content/ingest/sha256-…   grows, may be left by a killed process, is taken up again by the next
content/locks/sha256-…    flock: one ingest of a digest at a time on this host, across threads and processes
content/blobs/sha256/…    complete and verified; a file appears here by rename alone
"""
