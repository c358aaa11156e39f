"""The words of the OCI image specification as pure values: nothing here reads a file, a socket or a clock."""
