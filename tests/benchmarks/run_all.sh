#!/bin/sh
# Runs benchmarks one after the other and keeps the last line of each, its figures as JSON, in one file (a line each).
# run_all.sh BIN FILE PROGRAM...   BENCH_ROUNDS: rounds of each; unset: its own number
bin=$1 file=$2
shift 2
: > "$file.new" || exit 1
for program; do
    printf '\n== %s\n' "$program"
    "$bin/$program" ${BENCH_ROUNDS:+"$BENCH_ROUNDS"} > "$file.part" || { cat "$file.part"; echo "$program failed"; exit 1; }
    sed '$d' "$file.part"
    tail -n 1 "$file.part" >> "$file.new"
done
rm -f "$file.part"
mv "$file.new" "$file"
echo "figures as JSON: $file"
