"""Two-way streams: what people and programs at the site do with a container's standard streams.

source      what a session is about: descriptors to move bytes to and from, and how it ended
pump        moves the bytes of one session, held back by credit on both sides
server      opens and ends sessions
"""
