package pgserver

import (
	"bufio"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// What PostgreSQL keeps of its tables in memory: an eighth of what there is. More
// than the upper bound would not stay below 500 MB together with divoc; below the
// lower one indexes are read again and again.
const (
	buffersShare  = 8
	leastBuffers  = 64 << 20
	mostBuffers   = 256 << 20
	unknownMemory = 1 << 30 // where the machine does not say
)

// memorySettings are those of PostgreSQL that depend on the memory of the
// machine, bytes. Half of it is what files are kept in, as PostgreSQL is told.
func memorySettings(memory int64) []string {
	buffers := min(max(memory/buffersShare, leastBuffers), mostBuffers)
	return []string{
		fmt.Sprintf("shared_buffers=%dMB", buffers>>20),
		fmt.Sprintf("effective_cache_size=%dMB", max(memory/2, buffers)>>20),
	}
}

// memory is how many bytes this process may have: those of the machine, or fewer
// where its control groups (a container, a service) have a limit. root is the
// root of the file system.
func memory(root fs.FS) int64 {
	least := int64(0)
	note := func(n int64) {
		if n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	note(memoryTotal(root))
	for _, file := range limitFiles(root) {
		if text, err := fs.ReadFile(root, file); err == nil {
			n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			if err == nil { // "max" is no limit
				note(n)
			}
		}
	}
	if least == 0 {
		return unknownMemory
	}
	return least
}

// memoryTotal is what /proc/meminfo says, 0 where it does not.
func memoryTotal(root fs.FS) int64 {
	f, err := root.Open("proc/meminfo")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err == nil && n < 1<<50 {
				return n << 10
			}
		}
	}
	return 0
}

// limitFiles are where the limits of this process's control groups stand: of its
// own and of all above it. A container sees its own as the root.
func limitFiles(root fs.FS) []string {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		dir, file := "sys/fs/cgroup", "memory.max" // version 2: "0::/path"
		switch {
		case parts[1] == "memory":
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case parts[1] != "":
			continue
		}
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
			out = append(out, path.Join(dir, at, file))
			if at == "/" {
				break
			}
		}
	}
	return out
}
