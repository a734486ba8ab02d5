"""`python -m backend VERB ...`"""

import sys

from backend.cli import main

sys.exit(main(sys.argv[1:]))
