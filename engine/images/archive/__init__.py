"""Images as archives: `docker save`'s and the OCI image layout (image-spec, image-layout.md), out and in as one stream.

receiving.py   a stream → blobs in the content store and documents in memory, in one reading
contents.py    those → images: by manifest.json (Docker) or index.json (OCI)
loading.py     images → unpacked, then visible, all at once; and a plain tar of files → an image (import)
packed.py      an image here → documents and blobs that are all here
saving.py      those → a stream that is both formats in one
"""
