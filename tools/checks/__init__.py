"""What ``tools/check_gpu.py`` runs, notes and says."""
