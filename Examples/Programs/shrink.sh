#!/bin/sh
# Makes a small picture: {"file": "cat.jpg"} on standard input, the name of what came of it on standard output.
file=$(sed 's/.*"file": *"\([^"]*\)".*/\1/')
case "$file" in
*.jpg) ;;
*)
    echo "$file is no picture" >&2
    exit 65 # another attempt would not mend it
    ;;
esac
echo "attempt $MARTLET_ATTEMPT of job $MARTLET_JOB_ID for $MARTLET_META_CUSTOMER" >&2
if [ "$MARTLET_ATTEMPT" = 1 ] && [ "$file" = shy.jpg ]; then
    exit 1 # tried again, after a back-off
fi
echo "\"small-$file\""
