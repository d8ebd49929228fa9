#!/bin/sh
# What purge costs in a store of a million images, and what a million images cost
# those who save and serve one more: as ratios, side by side in one run.
#
#     make && tests/bench/purge.sh [IMAGES]
#
# By hand, as root, on a machine that does nothing else: it makes two file systems
# (ext4, fresh, in $DIR, default /var/tmp: 10 GB while it runs), mounts them anew
# before each measurement, so that no inode is cached, and takes about five minutes.
set -eu

images=${1:-1000000}
days=100
per_day=$((images / days))
rounds=5
root=$(cd -- "$(dirname -- "$0")/../.." && pwd)
program=$root/build/grafana-images
dir=$(mktemp -d "${DIR:-/var/tmp}/purge-bench.XXXXXX")

for tool in "$program" "$root/build/grafana-standin" /usr/bin/time nginx; do
  command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 69; }
done

cleanup() {
  for name in full flat; do
    umount "$dir/$name" 2>/dev/null || :
  done
  rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# make_disk NAME
make_disk() {
  mkdir "$dir/$1"
  truncate -s 9G "$dir/$1.disk"
  mkfs.ext4 -q -F -N $((images * 13 / 10 + 10000)) "$dir/$1.disk"
  mount -o loop "$dir/$1.disk" "$dir/$1"
}

again() {
  sync
  umount "$dir/$1"
  mount -o loop "$dir/$1.disk" "$dir/$1"
}

# fill FOLDER DAYS PER_DAY: so many days up to today, or (DAYS=0) so many files
# of the older program, six times 3 % of them old, to be removed in six turns
fill() {
  /usr/bin/python3 - "$@" <<'END'
import datetime, hashlib, os, sys, time
root, days, per = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
image, now = b"x" * 1000, time.time()
today = datetime.datetime.now(datetime.timezone.utc).date()
def put(path, when):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, image)
    os.utime(fd, (when, when))
    os.close(fd)
os.makedirs(root, 0o711, exist_ok=True)
for back in range(days - 1, -1, -1):
    day = today - datetime.timedelta(days=back)
    start = datetime.datetime(day.year, day.month, day.day,
                              tzinfo=datetime.timezone.utc).timestamp()
    os.mkdir("%s/%s" % (root, day), 0o711)
    for n in range(per):
        name = hashlib.sha256(b"%d %d" % (back, n)).hexdigest()
        put("%s/%s/%s.png" % (root, day, name),
            min(start + 86400 * n / per, now))
for n in range(per if days == 0 else 0):
    name = hashlib.md5(b"%d" % n).hexdigest()
    put("%s/%s.png" % (root, name), now - 86400 * (90 - 10 * (n % 100 // 3) if n % 100 < 18 else 1))
END
}

day() { date -u -d "$1 days ago" +%F; }

# cost COMMAND...: "CPU_MS WALL_MS PEAK_KIB"
cost() {
  /usr/bin/time -o "$dir/time" -f '%U %S %e %M' "$@" >"$dir/out" 2>"$dir/err" ||
    { cat "$dir/err" >&2; exit 1; }
  awk '{ print ($1 + $2) * 1000, $3 * 1000, $4 }' "$dir/time"
}

# purge STORE SETTING=VALUE...
purge() {
  store=$1
  shift
  printf 'grafana = http://127.0.0.1:3000\npublic_url = http://127.0.0.1/i\nstore = %s\n' \
    "$store" >"$dir/conf"
  for setting; do
    echo "${setting%%=*} = ${setting#*=}" >>"$dir/conf"
  done
  cost "$program" -c "$dir/conf" purge
}

# median FILE COLUMN
median() { sort -n -k "$2,$2" "$1" | awk -v c="$2" '{ v[NR] = $c } END { print v[int((NR + 1) / 2)] }'; }

# ratio FILE FILE SENTENCE
ratio() {
  for column in 1 2; do
    a=$(median "$1" $column) b=$(median "$2" $column)
    awk -v a="$a" -v b="$b" -v s="$3" -v c="$([ $column = 1 ] && echo CPU || echo time)" \
      'BEGIN { printf "%-4s %-58s %8.0f ms : %8.0f ms = %.3f\n", c, s, a, b, a / b }'
  done
}

echo "filling: $images images over $days days, $images in one folder"
make_disk full
make_disk flat
rmdir "$dir/full/lost+found" "$dir/flat/lost+found"
fill "$dir/full/store" $days "$per_day"
fill "$dir/flat/store" 0 "$images"
for round in $(seq $rounds); do
  fill "$dir/full/alone$round" 1 "$per_day"
  mv "$dir/full/alone$round/$(day 0)" "$dir/full/alone$round/$(day 99)"
done

echo "saving and serving one more, $images images beside none, median of 200:"
mkdir "$dir/full/empty"
again full
/usr/bin/python3 "$root/tests/bench/one_more.py" "$dir/full/store" "$dir/full/empty"

oldest=99
for round in $(seq $rounds); do
  again full
  purge "$dir/full/store" keep_days=$((oldest - 1)) >>"$dir/one"
  grep -q "^removed $per_day images" "$dir/out"
  again full
  cost rm -r "$dir/full/store/$(day $((oldest - 1)))" >>"$dir/rm"
  again full
  purge "$dir/full/alone$round" keep_days=90 >>"$dir/alone"
  oldest=$((oldest - 2))
done
ratio "$dir/one" "$dir/rm" "purge of one day : rm -r of one (goal 1.5)"
ratio "$dir/one" "$dir/alone" "purge of one day : of the same day alone (goal 1.5)"

old=90
for round in 1 2 3; do
  again full
  purge "$dir/full/store" keep_days=$((oldest - 3)) >>"$dir/three"
  oldest=$((oldest - 3))
  again flat
  purge "$dir/flat/store" keep_days=$((old - 5)) >>"$dir/scan"
  grep -q "^removed $((images * 3 / 100)) images" "$dir/out"
  again flat
  cost find "$dir/flat/store" -maxdepth 1 -name '*.png' -mtime +$((old - 15)) -delete >>"$dir/find"
  old=$((old - 20))
done
ratio "$dir/three" "$dir/scan" "3 days : the same number by a flat scan, purge (goal 1/12)"
ratio "$dir/three" "$dir/find" "3 days : the same number by a flat scan, find -delete"

again full
cost find "$dir/full/store" -type f -printf '%s %T@\n' >"$dir/walk"
bytes=$(find "$dir/full/store" -name '*.png' -printf '%s\n' | awk '{ n += $1 } END { print n }')
again full
purge "$dir/full/store" keep_bytes="$bytes" >"$dir/keep"
grep -q "^removed 0 images" "$dir/out"
again full
purge "$dir/full/store" keep_bytes=$((bytes - per_day * 1000)) >"$dir/thin"
grep -q "^removed $per_day images" "$dir/out"
again full
cost rm -r "$dir/full/store/$(day $((oldest - 1)))" >"$dir/rm1"
paste -d ' ' "$dir/walk" "$dir/rm1" | awk '{ print $1 + $4, $2 + $5 }' >"$dir/walk_rm"
ratio "$dir/keep" "$dir/walk" "keep_bytes that removes none : one walk (find)"
ratio "$dir/thin" "$dir/walk_rm" "keep_bytes that removes a day's : one walk and rm -r"
echo "peak memory: keep_days $(median "$dir/one" 3) KiB, keep_bytes $(median "$dir/thin" 3) KiB"
