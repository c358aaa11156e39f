"""What other apps may hook into without policies knowing them."""

from django.dispatch import Signal

policy_changed = Signal()
"""Sent with `team` once another policy is committed: hosts are told of what is theirs to hold."""
