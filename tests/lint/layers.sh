#!/bin/sh
# Says, as TAP, whether every include obeys the two tables of docs/architecture.md.
cd "$(dirname "$0")/../.." || exit 99
# shellcheck disable=SC2046
exec awk '
function folder_of(path) {
	sub(/\/[^\/]*$/, "", path)
	sub(/.*\//, "", path)
	return path
}
FNR == 1 { name = FILENAME; sub(/.*\//, "", name); sub(/\.[ch]$/, "", name) }
FILENAME == "docs/architecture.md" {
	if (/^<!--/)
		table = $2
	else if (table == "folders:" && /^[0-9]/)
		rank[$2] = $1
	else if (table == "libraries" && NF > 1 && $1 ~ /[.\/]/) {
		limited[$1] = 1
		for (i = 2; i <= NF; i++)
			may[$1, $i] = 1
	} else if (/^## /)
		table = ""
	next
}
FNR == 1 {
	self = folder_of(FILENAME)
	print (self in rank ? "" : "not ") "ok " ++n " - " FILENAME " is in a folder of docs/architecture.md"
}
/^#include "/ {
	split($0, q, "\"")
	# beside it, in cgi/ itself, no folder is named
	to = q[2] ~ /\// ? folder_of(q[2]) : "cgi"
	ok = (to in rank) && (to == self || rank[to] < rank[self])
	print (ok ? "" : "not ") "ok " ++n " - " FILENAME " may include " q[2]
}
/^#include </ {
	header = $2; gsub(/[<>]/, "", header)
	library = header; sub(/\/.*/, "/", library)
	if (header in limited)
		library = header
	if (library in limited)
		print ((library, name) in may ? "" : "not ") "ok " ++n " - " FILENAME " may use " header
}
END { print "1.." n }
' docs/architecture.md $(find src cgi -name '*.[ch]' | sort)
