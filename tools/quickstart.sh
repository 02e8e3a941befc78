#!/usr/bin/env bash
# DualPath from nothing: renders videos whose class is a motion, pretrains a
# miniature ViT on still images, freezes it, adapts it to the videos and tests
# it on videos of digits never seen. At most 15 minutes on two CPU cores; uses
# a GPU if there is one.
source "$(dirname "$0")/setup_env.sh" demo
step() { printf '\n== %s\n' "$*"; }
# Runs a command: progress on the screen, everything in a log.
logged() {
    local log=$1
    shift
    "$@" 2>&1 | tee "$log" | { grep --line-buffered -E \
        'Epoch\((train|val|test)\)' || true; } || {
        tail -n 25 "$log"
        echo "Failed: $* (see $log)" >&2
        exit 1
    }
}
work=work_dirs
mkdir -p $work
pretrain=$work/pretrain_vit-mini_digits
pretrain_script=$(python -c "import importlib.util as u, pathlib as p
print(p.Path(u.find_spec('mmpretrain').origin).parent / '.mim/tools/train.py')")

step "1/6 Rendering 6800 videos and 8800 still images"
python tools/data/render_digits.py data/digits

step "2/6 Pretraining a miniature ViT on still images"
if [ ! -e $pretrain/epoch_6.pth ]; then
    logged $work/pretrain.log python -W ignore "$pretrain_script" \
        configs/miniature/pretrain_vit-mini_digits.py --work-dir $pretrain \
        --resume auto
fi

run() {  # a config -> trains (or resumes) and tests it
    local name
    name=$(basename "$1" .py)
    logged "$work/$name.train.log" python -W ignore tools/train.py \
        "$1" --work-dir "$work/$name" --resume
    logged "$work/$name.test.log" python -W ignore tools/test.py \
        "$1" "$(cat "$work/$name/last_checkpoint")" --work-dir "$work/$name"
}
accuracy() { grep -oE 'acc/top1: [0-9.]+' "$work/$1.test.log" | tail -n 1; }

step "3/6 The frozen ViT adapted with DualPath"
run configs/dualpath_vit-mini_digits.py

step "4/6 The same without the temporal path"
run configs/miniature/dualpath-spatial_vit-mini_digits.py

step "5/6 A picture of what the temporal path reads"
python -W ignore tools/browse_framesets.py \
    configs/dualpath_vit-mini_digits.py --out $work/framesets.png \
    --labels data/digits/labels.txt

step "6/6 A checkpoint to be released"
name=dualpath_vit-mini_digits
python -W ignore tools/publish_model.py "$(cat $work/$name/last_checkpoint)" \
    --out-dir $work/published --log $work/$name.train.log \
    --result "rendered digits/top1=$(accuracy $name | cut -d' ' -f2)"

step "Top-1 over 8 motions, videos of digits never seen"
echo "DualPath                   $(accuracy dualpath_vit-mini_digits)"
echo "without the temporal path  $(accuracy dualpath-spatial_vit-mini_digits)"
echo "checkpoint: $(cat $work/dualpath_vit-mini_digits/last_checkpoint)"
echo "published:  $work/published"
echo "logs:       $work/*.log    framesets: $work/framesets.png"
