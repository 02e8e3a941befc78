#!/usr/bin/env bash
# Test on several processes:
#   bash tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [options of tools/test.py]
# NNODES, NODE_RANK, MASTER_ADDR and PORT serve several machines.
set -euo pipefail
source "$(dirname "$0")/launch.sh"
[[ ${3-} =~ ^[1-9][0-9]*$ ]] || usage
launch "$3" test.py "$1" "$2" "${@:4}"
