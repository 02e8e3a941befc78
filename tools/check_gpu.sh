#!/usr/bin/env bash
# Check that everything runs, is right and is fast on a GPU, in nine minutes:
#   bash tools/check_gpu.sh [--minutes 9] [--fresh]
# Nothing is installed or downloaded: Python's environment must have what
# setup.cfg requires, pytest and scikit-learn. Without a GPU it runs what it can.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-$(command -v python || command -v python3)}
# Scripts that are checked call it "python", and torchrun lies beside it.
PATH=$(dirname "$("$python" -c 'import sys; print(sys.executable)')"):$PATH
export PATH PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
exec "$python" -W ignore tools/check_gpu.py "$@"
