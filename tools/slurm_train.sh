#!/usr/bin/env bash
# Train on a cluster that Slurm manages:
#   GPUS=16 bash tools/slurm_train.sh PARTITION JOB CONFIG [options of tools/train.py]
# GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5, for each GPU), SRUN_ARGS and
# PORT say how.
set -euo pipefail
source "$(dirname "$0")/launch.sh"
[ $# -ge 3 ] && [[ $3 != -* ]] || usage
each=$(gpus_of_a_node)
submit "$1" "$2" "$each" dist_train.sh "$3" "$each" "${@:4}"
