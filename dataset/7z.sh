#!/bin/sh
# Unpacks MIMII's archives that lie beside this file into 6dB/, 0dB/ and min6dB/ with p7zip's 7z:
#     sh dataset/7z.sh
# `python src/prepare_dataset.py extract --base_dir dataset` does the same without 7z, and goes on where it was stopped.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")"

if ! command -v 7z >/dev/null; then
    echo "7z.sh: error: there is no 7z: install p7zip, or use src/prepare_dataset.py extract" >&2
    exit 2
fi

unpacked=0
missing=
for machine_type in fan pump slider valve; do
    for snr in 6dB 0dB min6dB; do
        case $snr in
        6dB) archive=6_dB_$machine_type.zip ;;
        0dB) archive=0_dB_$machine_type.zip ;;
        min6dB) archive=-6_dB_$machine_type.zip ;;
        esac
        if [ ! -f "$archive" ]; then
            missing="$missing $archive"
            continue
        fi
        echo "$archive -> $snr/"
        # ./ because a name that begins with - reads like an option; -y overwrites what an earlier, stopped run left
        if ! 7z x -y -bso0 -bsp0 "-o$snr" "./$archive"; then
            echo "7z.sh: error: $archive could not be unpacked; 7z's message above says why" >&2
            exit 1
        fi
        unpacked=$((unpacked + 1))
    done
done

if [ -n "$missing" ]; then
    echo "Not here:$missing"
fi
if [ "$unpacked" -eq 0 ]; then
    echo "7z.sh: error: no archive of MIMII in $(pwd): get them with src/prepare_dataset.py download" >&2
    exit 2
fi
