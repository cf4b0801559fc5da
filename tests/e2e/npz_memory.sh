#!/usr/bin/env bash
# The public SDSS cube as npz: 80 MB stream through prepare in less than 100 MB of memory,
# four times as much in the same; values equal numpy's; hostile archives are refused.
#
#   tests/e2e/npz_memory.sh [ZMAE]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import numpy, astropy' >/dev/null 2>&1; then
    echo "python3 lacks numpy or astropy"
    exit 77
fi
exec "$python" "$here/npz_memory.py" "${1:-build/zmae}"
