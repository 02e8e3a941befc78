#!/usr/bin/env bash
# Run all tests, on two processes by default: bash tools/run_tests.sh [pytest options]
source "$(dirname "$0")/setup_env.sh" test
export OMP_NUM_THREADS=1
exec python -m pytest -n "${TEST_PROCESSES:-2}" --dist worksteal "$@"
