#!/usr/bin/env bash
# Train and test on the three splits of HMDB51, and print the mean top-1:
#   bash tools/train_hmdb51.sh configs/dualpath_vitb_hmdb51.py PROCESSES [options]
# A split that was trained before is resumed.
set -euo pipefail
config=$1 processes=$2
here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$config" .py)
scores=()
for split in 1 2 3; do
    work=work_dirs/$name/split$split
    lists=data/hmdb51/hmdb51
    options=(
        "train_dataloader.dataset.ann_file=${lists}_train_split_${split}_videos.txt"
        "val_dataloader.dataset.ann_file=${lists}_val_split_${split}_videos.txt"
        "test_dataloader.dataset.ann_file=${lists}_val_split_${split}_videos.txt"
    )
    bash "$here/dist_train.sh" "$config" "$processes" --work-dir "$work" \
        --resume --cfg-options "${options[@]}" "${@:3}"
    bash "$here/dist_test.sh" "$config" "$(cat "$work/last_checkpoint")" \
        "$processes" --work-dir "$work" --cfg-options "${options[@]}" \
        "${@:3}" 2>&1 | tee "$work/test.log"
    scores+=("$(grep -oE 'acc/top1: [0-9.]+' "$work/test.log" \
        | tail -n 1 | cut -d' ' -f2)")
done
printf '%s\n' "${scores[@]}" | awk '{ s += $1; print "split " NR ": " $1 }
    END { print "mean:    " s / NR }'
