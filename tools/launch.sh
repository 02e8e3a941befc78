# Sourced by dist_train.sh, dist_test.sh, slurm_train.sh, slurm_test.sh and
# train_hmdb51.sh.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# What the user typed, also where one script calls another.
export TYPED=${TYPED:-bash $0 $*}

usage() {  # the comment at the head of the script
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

launch() {  # number of processes, a script of this folder, its arguments
    local port=${PORT:-29500}
    if [ "${NODE_RANK:-0}" = 0 ] \
            && (: < "/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        echo "Port $port is in use, by another training perhaps. Type:" >&2
        echo "  PORT=$((port + 1)) $TYPED" >&2
        exit 1
    fi
    exec torchrun \
        --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="$port" \
        --nproc_per_node="$1" "$here/$2" --launcher pytorch "${@:3}"
}

gpus_of_a_node() {
    local gpus=${GPUS:-8} each=${GPUS_PER_NODE:-8}
    [ "$each" -le "$gpus" ] || each=$gpus
    if [ $((gpus % each)) != 0 ]; then
        echo "GPUS=$gpus is no multiple of GPUS_PER_NODE=$each." >&2
        exit 2
    fi
    echo "$each"
}

submit() {  # partition, job, GPUs of a node, a script of this folder, its arguments
    # One launcher a node, which starts a process for each of its GPUs.
    # shellcheck disable=SC2016,SC2086
    exec srun --partition="$1" --job-name="$2" \
        --nodes=$((${GPUS:-8} / $3)) --ntasks-per-node=1 --gres="gpu:$3" \
        --cpus-per-task=$(($3 * ${CPUS_PER_TASK:-5})) \
        --kill-on-bad-exit=1 ${SRUN_ARGS:-} bash -c '
            export NNODES=$SLURM_NNODES NODE_RANK=$SLURM_NODEID
            MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" \
                | head -n 1)
            export MASTER_ADDR
            exec bash "$@"' srun "$here/$4" "${@:5}"
}
