#!/usr/bin/env bash
# Train and test on the three splits of HMDB51, and print the mean top-1:
#   bash tools/train_hmdb51.sh CONFIG PROCESSES [options of tools/train.py]
#       [-- options of tools/test.py]
# What follows --cfg-options is for both. A split that was trained before is
# resumed.
set -euo pipefail
source "$(dirname "$0")/launch.sh"
[[ ${2-} =~ ^[1-9][0-9]*$ ]] || usage
config=$1 processes=$2
shift 2
train=() test=() both=() part=train
while [ $# -gt 0 ]; do
    case $1 in
        --) part=test ;;
        --cfg-options)
            while [[ $# -gt 1 && $2 != -* ]]; do
                both+=("$2")
                shift
            done ;;
        *) if [ $part = train ]; then train+=("$1"); else test+=("$1"); fi ;;
    esac
    shift
done

name=$(basename "$config" .py)
scores=()
for split in 1 2 3; do
    work=work_dirs/$name/split$split
    lists=data/hmdb51/hmdb51
    options=(
        "train_dataloader.dataset.ann_file=${lists}_train_split_${split}_videos.txt"
        "val_dataloader.dataset.ann_file=${lists}_val_split_${split}_videos.txt"
        "test_dataloader.dataset.ann_file=${lists}_val_split_${split}_videos.txt"
        ${both[@]+"${both[@]}"}
    )
    bash "$here/dist_train.sh" "$config" "$processes" --work-dir "$work" \
        --resume ${train[@]+"${train[@]}"} --cfg-options "${options[@]}"
    bash "$here/dist_test.sh" "$config" "$(cat "$work/last_checkpoint")" \
        "$processes" --work-dir "$work" ${test[@]+"${test[@]}"} \
        --cfg-options "${options[@]}" 2>&1 | tee "$work/test.log"
    scores+=("$(grep -oE 'acc/top1: [0-9.]+' "$work/test.log" \
        | tail -n 1 | cut -d' ' -f2)")
done
printf '%s\n' "${scores[@]}" | awk '{ s += $1; print "split " NR ": " $1 }
    END { print "mean:    " s / NR }'
