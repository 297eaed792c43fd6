#!/bin/bash
# A run that is killed and started again ends with the same bytes as one that was left alone.
#   scripts/kill_test.sh [study|train|eval|run]...     KILLS=20 SEED=1 WORK=out/kill_test
# Each command is killed with SIGKILL at random moments, and started again unchanged until it is done; a finished run
# is compared and begun anew until all kills are spent. Times and the machine are in run.json, which is not compared.
# shellcheck disable=SC2034  # NAME_command and NAME_files are reached by name
set -euo pipefail
cd "$(dirname "$0")/.."

KEN=${KEN:-build/ken}
WORK=${WORK:-out/kill_test}
KILLS=${KILLS:-20}
SEED=${SEED:-1}
world=$WORK/world
facts=$world/facts.jsonl
# Small, yet several blocks of rows and many checkpoints: a kill must find finished work to keep.
world_command=("$KEN" world --people 60 --unseen 20 --documents 4000 --seed 1 -o "$world")
study_command=("$KEN" study --facts "$facts" --samples 2 --threads 1 --seed 1 -o)
train_command=("$KEN" train --world "$world" --steps 200 --checkpoint-every 5 --batch-tokens 256 --d-model 32 --layers 2
  --threads 1 --seed 1 -o)
eval_command=("$KEN" eval popqa --file "$facts" --compute f32 --threads 1 -o)
batch=$WORK/batch.txt
run_command=("$KEN" run "$batch" -o)
study_files=(study.json rows.jsonl)
train_files=(model.gguf log.jsonl)
run_files=(1/model.gguf 1/log.jsonl 2/study.json 2/rows.jsonl)
eval_files=(results.json samples_popqa.jsonl)

seconds() { printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); }
milliseconds() { date +%s%3N; }
folder_bytes() { if [[ -d $1 ]]; then du -sb -- "$1" | cut -f 1; else echo 0; fi; }

# Starts the command and kills it after so many milliseconds; true if it was done before.
done_before_kill() {
  local delay=$1 log=$2 pid code=0
  shift 2
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  sleep "$(seconds "$delay")"
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || code=$?
  if ((code != 0 && code != 137)); then
    cat "$log" >&2
    echo "kill_test: exit code $code; after a kill the same command must go on" >&2
    exit 1
  fi
  ((code == 0))
}

compare() {
  local name=$1 whole=$2 killed=$3 file
  local -n files=${name}_files
  for file in "${files[@]}"; do
    if ! cmp -- "$whole/$file" "$killed/$file"; then
      echo "kill_test: $name: $file differs from that of the run without a kill; both folders are kept" >&2
      exit 1
    fi
  done
}

kill_test() {
  local name=$1 whole=$WORK/$1-whole killed=$WORK/$1-killed log=$WORK/$1.log
  local -n command=${name}_command
  local start took delay finished=0 i
  start=$(milliseconds)
  "${command[@]}" "$whole" >"$log" 2>&1 </dev/null || { cat "$log" >&2; exit 1; }
  took=$(($(milliseconds) - start))
  echo "$name: $(seconds $took) s without a kill"

  RANDOM=$SEED
  for ((i = 1; i <= KILLS; ++i)); do
    # RANDOM has 15 bits: two of them reach any millisecond of a long run.
    delay=$((50 + (RANDOM * 32768 + RANDOM) % took))
    if done_before_kill "$delay" "$log" "${command[@]}" "$killed"; then
      compare "$name" "$whole" "$killed"
      rm -rf -- "$killed"
      finished=$((finished + 1))
      echo "$name kill $i/$KILLS at $(seconds $delay) s: was done, same bytes, begun anew"
    else
      echo "$name kill $i/$KILLS at $(seconds $delay) s: $(folder_bytes "$killed") bytes on disk"
    fi
  done
  "${command[@]}" "$killed" >"$log" 2>&1 </dev/null || { cat "$log" >&2; exit 1; }
  compare "$name" "$whole" "$killed"
  echo "$name: $KILLS kills, $((finished + 1)) runs to the end, same bytes each time"
}

rm -rf -- "$WORK"
mkdir -p "$WORK"
"${world_command[@]}" >"$WORK/world.log" 2>&1 </dev/null
# The commands of the batch resume by themselves; the batch must find which of them is done.
# shellcheck disable=SC2016  # ${out} is for ken
printf '%s ${out}\n' "${train_command[*]}" "${study_command[*]}" | sed "s|^$KEN |ken |" >"$batch"
if [[ $# -eq 0 ]]; then set -- study train eval run; fi
for name in "$@"; do
  kill_test "$name"
done
rm -rf -- "$WORK"
