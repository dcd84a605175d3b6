# Of what `bun test` printed: the names of the tests that failed, then the end of what stands before each.
# each=LINES of one test, all=LINES together

function fails(name,   from) {
  names[++found] = "(fail) " file ": " name
  from = lines > each ? lines - each : 0
  for (count[found] = 0; from < lines; from++) error[found, ++count[found]] = line[from]
  lines = 0
}
function settle() {
  if (failure != "") fails(failure)
  failure = ""
}
{ $0 = substr($0, 1, 300) }
# The time limit stands on the line after the test's name.
failure != "" && /^ +\^ / { line[lines++] = $0; settle(); next }
{ settle() }
# What follows repeats the names.
/^[0-9]+ tests? (skipped|failed|todo):$/ || /^ +[0-9]+ pass$/ { over = 1 }
over { next }
/^[^ ]+\.test\.ts:$/ { file = substr($0, 1, length($0) - 1); lines = 0; next }
/^\((pass|skip|todo)\) / { lines = 0; next }
/^\(fail\) / { failure = substr($0, 8); next }
/^# Unhandled error between tests$/ { lines = 0; between = 2; next }
between && /^-+$/ { if (--between == 0) fails("between tests"); next }
{ line[lines++] = $0 }
END {
  settle()
  for (i = 1; i <= found && i <= all / 3; i++) print names[i]
  if (i <= found) print "and " found - i + 1 " more"
  left = all - i
  for (i = 1; i <= found && left > 1; i++) {
    # Room that a short one leaves is the others'.
    share = int(left / (found - i + 1)) - 1
    if (share < 8) share = 8
    from = count[i] > share ? count[i] - share + 1 : 1
    print "--- " names[i]
    left -= count[i] - from + 2
    for (; from <= count[i]; from++) print error[i, from]
  }
}
