#!/bin/bash
# Two hosts with four GPUs each, a process for each GPU: sbatch examples/slurm.sh
#SBATCH --job-name=vae
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --time=00:30:00
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
# Folders that all hosts see; MNIST was downloaded before. After a time-out, submit it again.
export VAE_COURSE_DATA="$SLURM_SUBMIT_DIR/data"
srun .venv/bin/python examples/train.py --hosts --folder run --batch 4096
