#!/bin/sh
# Says, as TAP, whether every include obeys src/LAYERS: both tables.
cd "$(dirname "$0")/../.." || exit 99
exec awk '
FNR == NR {
	if ($1 ~ /^[0-9]+$/)
		rank[$2] = $1
	if ($1 == "uses") {
		limited[$2] = 1
		for (i = 3; i <= NF; i++)
			may[$2, $i] = 1
	}
	next
}
FNR == 1 {
	self = FILENAME
	sub(/.*\//, "", self); sub(/\.[ch]$/, "", self)
	if (!(self in rank)) {
		print "not ok " ++n " - " FILENAME " has a rank in src/LAYERS"
		next
	}
}
/^#include "/ {
	split($0, q, "\""); name = q[2]; sub(/\.h$/, "", name)
	if (name == self)
		next
	ok = (name in rank) && rank[name] < rank[self]
	print (ok ? "" : "not ") "ok " ++n " - " self " may include " name
}
/^#include </ {
	header = $2; gsub(/[<>]/, "", header)
	library = header; sub(/\/.*/, "/", library)
	if (header in limited)
		library = header
	if (library in limited) {
		ok = (library, self) in may
		print (ok ? "" : "not ") "ok " ++n " - " self " may use " header
	}
}
END { print "1.." n }
' src/LAYERS src/*.[ch] cgi/*.[ch]
