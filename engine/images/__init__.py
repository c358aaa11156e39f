"""Images: pulled, listed, removed, and one made from the machine's own files.

service.Images   what others call             pull.py      one pull: resolve, fetch layers side by side, record
records.py       what is known of images      layer.py     one layer: download → verify ┬→ unpack → commit
garbage.py       what nobody needs any more   starter.py   the image for a host without a registry
"""
