# Runs a server for a test process and outlives both just long enough to clean
# up. Standard input is a pipe from the test process: however that process
# ends, killed included, the pipe closes, and the server is stopped.
#
#   sh -c "$(cat supervise.sh)" supervise FOLDER SIGNAL PROGRAM [ARGUMENT...]
#
# FOLDER takes the server's output as `log` and is removed in the end. SIGNAL
# stops the server; one that does not obey is killed. Standard output is two
# lines: the server's process id, and, when it has ended, its exit code.
folder=$1
signal=$2
shift 2
exec 3<&0
"$@" </dev/null >>"$folder/log" 2>&1 3<&- &
server=$!
trap '' PIPE # whoever reads our two lines may be gone
echo "$server"
{
    while read -r _; do :; done <&3
    kill -s "$signal" "$server"
    kill -s CONT "$server" # a stopped process obeys nobody
    patience=100
    while kill -0 "$server" && [ "$patience" -gt 0 ]; do
        patience=$((patience - 1))
        sleep 0.1
    done
    kill -s KILL "$server"
} >/dev/null 2>&1 &
watcher=$!
wait "$server"
code=$?
kill "$watcher"
echo "$code"
# The test process may still want to read the log.
while read -r _; do :; done <&3
rm -rf "$folder"
