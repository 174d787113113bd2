#!/bin/bash
# Two hosts with four GPUs each, a process for each GPU: sbatch examples/slurm.sh
#SBATCH --job-name=vae
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --time=00:30:00
#SBATCH --requeue
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
# The folder is one that all hosts see. A job that was cut off goes on from there.
srun .venv/bin/python examples/train.py --hosts --folder run --batch 4096
