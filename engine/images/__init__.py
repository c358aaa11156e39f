"""Images: pulled, listed, removed, saved and loaded, and one made from the machine's own files.

service.Images   what others call             pull.py      one pull: resolve, fetch layers side by side, record
shelf.py         what images are kept in      layer.py     one layer: download → verify ┬→ unpack → commit
records.py       what is known of images      commit.py    an image and one more layer
removing.py      names and images that go     garbage.py   what nobody needs any more
history.py       how an image came to be      usage.py     what images take, and share
layer_files.py   what a layer does to files   waste.py     what nobody sees of them
fsck.py          what is damaged               repair.py    put right, by registries and blobs
archive          images as tar streams        starter.py   the image for a host without a registry
"""
