"""`python -m client`: the command line `portside`."""

import sys

from client.cli.main import main

sys.exit(main())
