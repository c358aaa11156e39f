"""Volumes: directories that outlive containers, shared by those who ask for them by name.

    volumes/<name>/_data      what containers see
    volumes/<name>/lock       held while an image's files are copied into it, or something is mounted on it
    volumes/<name>/filling    an image's files on their way in; `filled` once all are there
    volumes/<name>/kept/      snapshots, a directory each
    volumes/.made-…           a copy on its way, held by whoever makes it (also in a volume's directory)
    volumes/.removed-…        one that is being removed

    service   made, used, removed      sizes            how much is in them, and may be
    copies    clone, snapshot, rename  backups          away and back: tar, directory, S3

The table `volume` says which there are, `volume_use` which containers have them. Files have the container's own ids on
the disk, 0 to 65535, whatever range of the host's ids it lives in: each container sees them through an ID-mapped mount.
"""
