# Sourced by dist_train.sh, dist_test.sh and train_hmdb51.sh.
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
