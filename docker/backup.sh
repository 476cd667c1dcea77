#!/bin/sh
# The data folder of the running service as a tar archive on standard output. Restore it into empty volumes with
# tar -xpf. Files are written once, so files that arrive during the backup do no harm.
# Copies of slides in an object store (fetched/) are left out: they are removed when their attempts end.
# audit.head is copied first. A log that has grown past its head is complete. A head ahead of its log makes the log look
# truncated.
set -eu
cd "${XMAG_DATA_DIR:-/data}"
head=audit.head
[ -e "$head" ] || head=
# 1: a file grew, or went, while it was read.
tar -cf - ${head:+"$head"} --exclude=./audit.head --exclude=./fetched . || [ $? -eq 1 ]
