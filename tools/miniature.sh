#!/usr/bin/env bash
# The miniature study, docs/miniature.md: renders its videos, trains every cell
# of a grid on its frozen backbones until the accuracy has stopped rising, and
# writes the page's tables and pictures. Uses a GPU if there is one. Stopped, it
# goes on where it was; what docs/miniature/results.json knows is not trained
# again.
#
#     bash tools/miniature.sh whole            # what is missing of everything
#     bash tools/miniature.sh reduced --anew   # the claims again, sized for 90
#                                              # minutes of two idle CPU cores
#     bash tools/miniature.sh whole --tables positions width
#     bash tools/miniature.sh quick            # a few steps, to see that all works
source "$(dirname "$0")/setup_env.sh" demo
grid=${1:-reduced}
page=docs/miniature.md
# A few steps say nothing, and stay off the page.
if [ "$grid" = quick ]; then
    mkdir -p work_dirs/miniature
    page=work_dirs/miniature/quick.md
    cp docs/miniature.md $page
fi
# The cores are shared out among trainings, one each.
export OMP_NUM_THREADS=1
# glibc keeps what a step's activations leave, as the next step needs it again.
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=2147483647

python -W ignore tools/miniature/train.py --grid "$grid" "${@:2}"
python -W ignore tools/miniature/report.py --grid "$grid" --out $page
