#!/usr/bin/env bash
# The papers' comparisons, small: renders videos of three tasks, pretrains a
# miniature ViT and a miniature Swin on still images, freezes them, adapts them
# by every method with several seeds, and writes docs/miniature/results.md and
# its plots. Stopped, it goes on where it was.
#
#     bash tools/miniature.sh          # at most two hours on two CPU cores
#     bash tools/miniature.sh full     # every method on every task, 5 seeds
source "$(dirname "$0")/setup_env.sh" demo
grid=${1:-reduced}
case $grid in
    reduced) videos=2500 ;;
    full) videos=16000 ;;
    *) echo "The grid is reduced or full, not $grid." >&2; exit 1 ;;
esac
# The cores are shared out among trainings, one each.
export OMP_NUM_THREADS=1

python tools/data/render_digits.py "data/miniature-$grid" --shift --length 48 \
    --train-videos "$videos"
python -W ignore tools/miniature/train.py --grid "$grid"
python -W ignore tools/miniature/report.py --grid "$grid"
