package pgserver

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestMemoryIsThatOfTheMachineOrOfItsLimit(t *testing.T) {
	const machine = "MemTotal:       16000000 kB\nMemFree:         1000 kB\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"a machine without limits":              {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 16000000 << 10},
		"a container of its own name space":     {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30},
		"a service":                             {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/system.slice/divoc.service\n", "sys/fs/cgroup/system.slice/divoc.service/memory.max": "536870912\n"}, 512 << 20},
		"a limit of the group above":            {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "536870912\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 512 << 20},
		"the former control groups":             {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "5:cpu:/x\n4:memory:/docker/1\n", "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "2147483648\n"}, 2 << 30},
		"the former ones without a limit":       {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 16000000 << 10},
		"a limit above what the machine has":    {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "99999999999999\n"}, 16000000 << 10},
		"a path that leads out of the group":    {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/../../x\n"}, 16000000 << 10},
		"a machine that says nothing":           {map[string]string{}, unknownMemory},
		"a machine that says what is no number": {map[string]string{"proc/meminfo": "MemTotal: many kB\n", "proc/self/cgroup": "memory"}, unknownMemory},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for file, text := range test.files {
				root[file] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := memory(root); got != test.want {
				t.Errorf("%d bytes, want %d", got, test.want)
			}
		})
	}
}

func TestBuffersAreAnEighthWithinBounds(t *testing.T) {
	for memory, want := range map[int64]string{
		128 << 20: "shared_buffers=64MB effective_cache_size=64MB",
		1 << 30:   "shared_buffers=128MB effective_cache_size=512MB",
		2 << 30:   "shared_buffers=256MB effective_cache_size=1024MB",
		64 << 30:  "shared_buffers=256MB effective_cache_size=32768MB",
	} {
		if got := strings.Join(memorySettings(memory), " "); got != want {
			t.Errorf("with %d MB: %s, want %s", memory>>20, got, want)
		}
	}
}
