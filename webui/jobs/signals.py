"""What other apps may hook into without jobs knowing them."""

from django.dispatch import Signal

# Sent inside the transaction that writes a job's end; argument: job. When a receiver raises, what the
# receivers wrote is undone and logged, and the job's end stands.
job_finished = Signal()
