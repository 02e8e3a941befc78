#!/usr/bin/env bash
# The miniature study, docs/miniature.md: renders its videos and images,
# pretrains its backbones, trains every cell of a grid until its accuracy has
# stopped rising, and writes the page's tables and pictures. Uses a GPU if
# there is one. Stopped, it goes on where it was.
#
#     bash tools/miniature.sh          # sized for 90 minutes of two idle CPU cores
#     bash tools/miniature.sh whole    # everything, sized for 8 hours there
#     bash tools/miniature.sh quick    # a few steps, to see that all works
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

python -W ignore tools/miniature/train.py --grid "$grid"
python -W ignore tools/miniature/report.py --grid "$grid" --out $page
