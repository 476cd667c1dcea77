#!/bin/sh
# The data folder of the running service as a tar archive on standard output. Into empty volumes it goes back with
# tar -xpf; files are written once, so that what arrives meanwhile does no harm.
# Copies of slides in an object store (fetched/) are left out: they go when their attempts end.
# audit.head goes first: a log that has grown past its head is whole, a head ahead of its log looks like a log cut off.
set -eu
cd "${XMAG_DATA_DIR:-/data}"
head=audit.head
[ -e "$head" ] || head=
# 1: a file grew, or went, while it was read.
tar -cf - ${head:+"$head"} --exclude=./audit.head --exclude=./fetched . || [ $? -eq 1 ]
