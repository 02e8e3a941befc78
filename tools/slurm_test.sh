#!/usr/bin/env bash
# Test on a cluster that Slurm manages:
#   GPUS=16 bash tools/slurm_test.sh PARTITION JOB CONFIG CHECKPOINT [options of tools/test.py]
# GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5, for each GPU), SRUN_ARGS and
# PORT say how.
set -euo pipefail
source "$(dirname "$0")/launch.sh"
[ $# -ge 4 ] && [[ $4 != -* ]] || usage
each=$(gpus_of_a_node)
submit "$1" "$2" "$each" dist_test.sh "$3" "$4" "$each" "${@:5}"
