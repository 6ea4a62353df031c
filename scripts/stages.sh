# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The stages that a check consists of: `stage` names them, `run_stages` runs them, as
# many at a time as the machine has room for; wants lib.sh.
#
# A stage's output goes to a file, and comes out in one piece when the stage has ended;
# where they run one at a time it comes out as it is written.  Each stage is a process
# group, so that all of it can be ended: nothing outlives the script.

# What counts so far, and the stages that failed.
passed=0 failed=0 skipped=0 broken=()

# By the name of a stage: its command, quoted; the names of those that it wants, one a
# line; waiting, running, ok or failed; the leader of its process group; its start.
declare -A stage_command=() stage_wants=() stage_state=() stage_pid=() stage_start=()
stage_names=() stages_running=() stage_next=''
outputs=$(mktemp -d)
trap stop_stages EXIT

# How long nothing has to come out before it is told what is running, in seconds.
QUIET=30

# stage NAME [--after NAME]... COMMAND...: to be run by run_stages, if those before it
# have passed.  COMMAND may be a function; it runs under `set -e`, and $output is the
# file that it prints to.
stage() {
	local name=$1 quoted
	shift
	stage_wants[$name]=''
	while [[ $1 == --after ]]; do
		[[ -n ${stage_state[$2]:-} ]] || die "$name is to come after $2, which is no stage"
		stage_wants[$name]+=$2$'\n'
		shift 2
	done
	printf -v quoted '%q ' "$@"
	stage_names+=("$name")
	stage_command[$name]=$quoted
	stage_state[$name]=waiting
}

# stages_at_a_time: one for each processor, as far as there is memory for a machine in
# each: 2 GB and what QEMU needs, and one may be the benchmark's, which has 2 GB more.
# JOBS= says otherwise.
stages_at_a_time() {
	local room processors
	if [[ -n ${JOBS:-} ]]; then
		[[ $JOBS =~ ^[1-9][0-9]*$ ]] || die "JOBS=$JOBS is not a number of stages"
		echo "$JOBS"
		return
	fi
	room=$(awk '/^MemAvailable:/ { print int(($2 / 1024 - 2048) / 2560) }' /proc/meminfo)
	processors=$(nproc)
	[[ $room -le $processors ]] || room=$processors
	echo $((room > 1 ? room : 1))
}

# find_next: leaves in $stage_next the first stage that can start, and says whether
# there is one.  A stage which wants one that failed counts as failed.
find_next() {
	local name wanted
	for name in "${stage_names[@]}"; do
		[[ ${stage_state[$name]} == waiting ]] || continue
		while read -r wanted; do
			case ${stage_state[$wanted]} in
			ok) ;;
			failed)
				step "$name: not run, as this failed: $wanted"
				stage_state[$name]=failed
				failed=$((failed + 1)) broken+=("$name (not run)")
				continue 2
				;;
			*) continue 2 ;;
			esac
		done < <(printf '%s' "${stage_wants[$name]}")
		stage_next=$name
		return
	done
	return 1
}

# start_stage NAME LIVE: LIVE is y if what it prints is to be seen at once.
start_stage() {
	local name=$1 output=$outputs/$1
	stage_state[$name]=running stage_start[$name]=$SECONDS
	stages_running+=("$name")
	: > "$output"
	# Job control makes a process group of what is started.  It is not for the rest of
	# the script, which would be handing the terminal to and fro.
	set -m
	(eval "${stage_command[$name]}") > "$output" 2>&1 < /dev/null &
	stage_pid[$name]=$!
	if [[ $2 == y ]]; then
		step "$name"
		tail -n +1 -f -s 0.2 --pid="$!" "$output" &
		stage_tail=$!
	else
		step "$name: started"
	fi
	set +m
}

# count_stage NAME STATUS: counts its test cases or, if it has none, itself.
count_stage() {
	local name=$1 status=$2 cases ok not_ok skip
	cases=$(sed -n 's/^# cases: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' \
		"$outputs/$name" | tail -1)
	if [[ -n $cases ]]; then
		read -r ok not_ok skip <<<"$cases"
	else
		ok=$((status == 0)) not_ok=0 skip=0
	fi
	# Cases that all pass do not excuse a splat or a module left behind.
	if [[ $status -ne 0 && $not_ok -eq 0 ]]; then not_ok=1; fi
	passed=$((passed + ok)) failed=$((failed + not_ok)) skipped=$((skipped + skip))
}

# end_stage NAME LIVE: takes its status, prints and counts.
end_stage() {
	local name=$1 live=$2 status=0 other left=() verdict=ok
	wait "${stage_pid[$name]}" || status=$?
	if [[ $live == y ]]; then
		wait "$stage_tail" || true
	else
		step "$name"
		cat "$outputs/$name"
	fi
	count_stage "$name" "$status"
	stage_state[$name]=ok
	if [[ $status -ne 0 ]]; then
		stage_state[$name]=failed verdict=FAILED
		broken+=("$name")
	fi
	step "$name: $verdict after $((SECONDS - stage_start[$name])) s"
	for other in "${stages_running[@]}"; do
		[[ $other == "$name" ]] || left+=("$other")
	done
	stages_running=("${left[@]}")
}

# tell_running: how far each has got that is running.
tell_running() {
	local name programs text=''
	for name in "${stages_running[@]}"; do
		programs=$(grep -cE '^(not )?ok [0-9]+ ' "$outputs/$name") || true
		text+="${text:+, }$name ("
		[[ $programs -eq 0 ]] || text+="$programs programs, "
		text+="$((SECONDS - stage_start[$name])) s)"
	done
	step "running: $text"
}

# wait_for_one LIVE: until one has ended.  The shell's own list says which: a status
# that `wait -n` has missed would not come again.
wait_for_one() {
	local name alive told=$SECONDS
	while :; do
		alive=$(jobs -pr)
		for name in "${stages_running[@]}"; do
			if [[ $'\n'$alive$'\n' != *$'\n'${stage_pid[$name]}$'\n'* ]]; then
				end_stage "$name" "$1"
				return
			fi
		done
		if [[ $1 == n && $((SECONDS - told)) -ge $QUIET ]]; then
			tell_running
			told=$SECONDS
		fi
		sleep 0.2
	done
}

# run_stages [N]: runs all that have not run yet, N at a time; when it returns, none
# is left.
run_stages() {
	local at_a_time live=n
	at_a_time=${1:-$(stages_at_a_time)}
	[[ $at_a_time -gt 1 ]] || live=y
	while :; do
		while [[ ${#stages_running[@]} -lt $at_a_time ]] && find_next; do
			start_stage "$stage_next" "$live"
		done
		[[ ${#stages_running[@]} -gt 0 ]] || break
		wait_for_one "$live"
	done
}

# any_left GROUP...: whether a process is left in one of these process groups.
any_left() {
	local group
	for group in "$@"; do
		! kill -0 -- "-$group" 2> /dev/null || return 0
	done
	return 1
}

# stop_stages: ends whatever runs, however the script has come to its end.  What is
# asked to end removes its temporary files; what does not, in ten seconds, is killed,
# and with it what it runs in a build root.
stop_stages() {
	local groups group i
	trap '' INT TERM HUP
	mapfile -t groups <<<"$(jobs -p)"
	for group in "${groups[@]}"; do
		[[ -z $group ]] || kill -TERM -- "-$group" 2> /dev/null || true
	done
	for ((i = 0; i < 50; i++)); do
		any_left "${groups[@]}" || break
		sleep 0.2
	done
	for group in "${groups[@]}"; do
		[[ -z $group ]] || kill -KILL -- "-$group" 2> /dev/null || true
	done
	rm -rf "$outputs"
}

# sum_up: says what failed, and leaves the last line of the check in $sum.
sum_up() {
	step "$SECONDS s in all"
	[[ ${#broken[@]} -eq 0 ]] || printf 'failed: %s\n' "${broken[@]}"
	sum="$passed passed, $failed failed, $skipped skipped"
}
