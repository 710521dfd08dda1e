#!/bin/sh
# Run the Snakefile in a new folder with these options; print each second the threads of Snakemake's process, then its times.
# "end": the seconds between the last job's file and the end of the process.
folder=$(mktemp -d)
python -m snakemake --snakefile "$(dirname "$0")/Snakefile" --directory "$folder" --cores 1 --quiet all "$@" >"$folder/log" 2>&1 &
while [ -d "/proc/$!" ] && grep -q Threads "/proc/$!/status"; do
    printf '%s ' "$(sed -n 's/^Threads:\t//p' "/proc/$!/status")"
    cpu=$(awk '{ print ($14 + $15) / 100 }' "/proc/$!/stat")
    sleep 1
done
now=$(date +%s)
last=$(stat -c %Y "$folder"/done/* | sort -n | tail -n 1)
echo "| end: $((now - last)) s, processor: $cpu s"
rm -r "$folder"
