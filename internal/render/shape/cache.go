package shape

import (
	"math"
	"strings"
	"sync"
)

// cacheSize bounds the paragraphs kept: labels of a few languages in a few
// widths. A full cache is emptied; it fills again within a page.
const cacheSize = 4096

// cache keeps set paragraphs of fixed texts. The zero value is ready.
type cache struct {
	mu    sync.RWMutex
	lines map[string][]Line
}

func (c *cache) get(key string) ([]Line, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	lines, ok := c.lines[key]
	return lines, ok
}

func (c *cache) put(key string, lines []Line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lines == nil || len(c.lines) >= cacheSize {
		c.lines = make(map[string][]Line)
	}
	c.lines[key] = lines
}

func cacheKey(text []Phrase, bold bool, width float32) string {
	var b strings.Builder
	bits := math.Float32bits(width)
	b.Write([]byte{byte(bits >> 24), byte(bits >> 16), byte(bits >> 8), byte(bits)})
	if bold {
		b.WriteByte(1)
	} else {
		b.WriteByte(0)
	}
	for _, p := range text {
		b.WriteString(p.Lang)
		b.WriteByte(0)
		b.WriteString(p.Text)
		b.WriteByte(0)
	}
	return b.String()
}
