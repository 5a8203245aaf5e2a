#!/usr/bin/env bash
# The paper's setting as a SLURM job on one machine with four GPUs:
#
#     sbatch recipes/slurm.sh recipes/chexpert-plus.yaml recipes/accelerate/4gpus.yaml
#
# Ended by the time limit or by scontrol requeue, it goes on from its last checkpoint.
#SBATCH --job-name=orapo
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --mem=128G
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
#SBATCH --output=%x-%j.log
set -euo pipefail
recipe=${1:-recipes/chexpert-plus.yaml}
accelerate=${2:-recipes/accelerate/4gpus.yaml}
export OMP_NUM_THREADS=4
# Nodes of most clusters reach no hub: fetch the model on the login node before.
export HF_HUB_OFFLINE=${HF_HUB_OFFLINE:-1}
output=$(sed -n 's/^output_dir: *\([^ #]*\).*/\1/p' "$recipe")
resume=()
# A checkpoint counts once it is whole.
if compgen -G "$output/checkpoint-*/whole.json" > /dev/null; then
  resume=(--resume)
fi
orapo doctor
# exec: the signal before the time limit reaches the training itself
exec accelerate launch --config_file "$accelerate" --main_process_port $((20000 + SLURM_JOB_ID % 20000)) \
  -m orapo train --config "$recipe" --quiet "${resume[@]}"
