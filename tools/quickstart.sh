#!/usr/bin/env bash
# DualPath from nothing: renders videos whose class is a motion, pretrains a
# miniature ViT on still images, freezes it, adapts it to the videos and tests
# it on videos of digits never seen. At most 15 minutes on two CPU cores; uses
# a GPU if there is one. A run that was stopped goes on where it was.
#
#     bash tools/quickstart.sh [--seed 0] [--at-least PERCENT]
#
# --seed draws all weights and orders anew; --at-least fails below an accuracy.
usage() { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 1; }
seed=0 least=0
while [ $# -gt 0 ]; do
    case "$1 ${2:-}" in
        '--seed '[0-9]*) seed=$2 ;;
        '--at-least '[0-9]*) least=$2 ;;
        *) usage ;;
    esac
    shift 2
done
source "$(dirname "$0")/setup_env.sh" demo
# So small a model gains nothing by a second thread, which waits for the first
# wherever something else runs; the other core reads the videos.
export OMP_NUM_THREADS=1
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
work=work_dirs/quickstart/seed$seed
mkdir -p "$work"
dualpath=configs/dualpath_vit-mini_digits.py
frozen=$work/pretrain/epoch_6.pth
pretrain_script=$(python -c "import importlib.util as u, pathlib as p
print(p.Path(u.find_spec('mmpretrain').origin).parent / '.mim/tools/train.py')")

step "1/6 Rendering 6800 videos and 16800 still images"
python tools/data/render_digits.py data/digits

step "2/6 Pretraining a miniature ViT on still images"
if [ ! -e "$frozen" ]; then
    logged "$work/pretrain.log" python -W ignore "$pretrain_script" \
        configs/miniature/pretrain_vit-mini_digits.py \
        --work-dir "$work/pretrain" --resume auto \
        --cfg-options randomness.seed="$seed"
fi

# Trains (or resumes) and tests $1, a config, on the ViT just pretrained; its
# files and logs are called $2.
run() {
    local option="model.backbone.backbone.init_cfg.checkpoint=$frozen"
    logged "$work/$2.train.log" python -W ignore tools/train.py "$1" \
        --work-dir "$work/$2" --resume --seed "$seed" --cfg-options "$option"
    logged "$work/$2.test.log" python -W ignore tools/test.py "$1" \
        "$(cat "$work/$2/last_checkpoint")" --work-dir "$work/$2" \
        --cfg-options "$option"
}

step "3/6 The frozen ViT adapted with DualPath"
run $dualpath dualpath

step "4/6 The same without the temporal path"
run configs/miniature/dualpath-spatial_vit-mini_digits.py spatial

step "5/6 A picture of what the temporal path reads"
python -W ignore tools/browse_framesets.py $dualpath \
    --out "$work/framesets.png" --labels data/digits/labels.txt

step "6/6 A checkpoint to be released"
accuracy=$(grep -oE 'acc/top1: [0-9.]+' "$work/dualpath.test.log" | tail -n 1)
python -W ignore tools/publish_model.py \
    "$(cat "$work/dualpath/last_checkpoint")" \
    --config dualpath_vit-mini_digits --out-dir "$work/published" \
    --log "$work/dualpath.train.log" \
    --result "rendered digits/top1=${accuracy##* }"

step "Top-1 over 8 motions, videos of digits never seen"
python -W ignore tools/quickstart_result.py "$work" --seed "$seed" --at-least "$least"
echo "checkpoint: $(cat "$work/dualpath/last_checkpoint")"
echo "published:  $work/published"
echo "logs:       $work/*.log    framesets: $work/framesets.png"
