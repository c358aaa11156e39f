"""AppArmor: what the host's kernel has of it, and the profile that containers get unasked.

host      whether the kernel has it, which profiles are loaded, where the parser is
profile   the text of `portside-default`
loading   loaded when a container needs it, once per boot and text; why not, where it can't be
"""
