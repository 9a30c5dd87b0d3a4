"""``python -m metalev``."""

import sys

from metalev.cli.main import main

sys.exit(main())
