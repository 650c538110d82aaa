import sys
from pathlib import Path

# What the tests of this folder share lies beside them.
sys.path.insert(0, str(Path(__file__).parent))
