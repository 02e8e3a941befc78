#!/usr/bin/env bash
# Train on several processes:
#   bash tools/dist_train.sh CONFIG PROCESSES [options of tools/train.py]
# NNODES, NODE_RANK, MASTER_ADDR and PORT serve several machines.
set -euo pipefail
source "$(dirname "$0")/launch.sh"
[[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage
launch "$2" train.py "$1" "${@:3}"
