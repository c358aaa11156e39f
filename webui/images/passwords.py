"""Registry passwords at rest."""

from webui.sealing import Seal

_SEAL = Seal("portside registry credentials 1", "a stored registry password")
password_encrypt, password_decrypt = _SEAL.close, _SEAL.open
