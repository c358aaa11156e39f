"""A client of the OCI distribution protocol: manifests and blobs of any registry, checked while they stream in."""
